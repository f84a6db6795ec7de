"""The policy to begin with: what protects needs no decision, what loosens needs a supervisor's."""

from django.db import migrations

RULES = [
    ("lock", 0, "", "Protective: at once."),
    ("liquidate_only", 0, "", "Protective: at once."),
    ("unlock", 1, "supervisor", "Loosening: the trader may trade again."),
]


def add(apps, schema_editor):
    rules = apps.get_model("changes", "PolicyRule").objects.using(schema_editor.connection.alias)
    for kind, decisions, role, note in RULES:
        rules.create(kind=kind, decisions_needed=decisions, decider_role=role, note=note)


def remove(apps, schema_editor):
    rules = apps.get_model("changes", "PolicyRule").objects.using(schema_editor.connection.alias)
    rules.filter(kind__in=[rule[0] for rule in RULES], environment="", at_least_items=1).delete()


class Migration(migrations.Migration):
    dependencies = [("changes", "0002_guards")]

    operations = [migrations.RunPython(add, remove)]
