"""The initial policy: protective changes need no approval, loosening changes need a supervisor's."""

from django.db import migrations

# kind, minimum number of accounts, approvals, by whom, note
RULES = [
    ("lock", 1, 0, "", "Protective: at once."),
    ("liquidate_only", 1, 0, "", "Protective: at once."),
    ("unlock", 1, 1, "supervisor", "Loosening: the trader may trade again."),
    ("risk_category", 1, 1, "supervisor", "Other lots and products; open positions may be liquidated."),
    ("auto_liq_limits", 1, 1, "supervisor", "May loosen, and may liquidate at once."),
    ("auto_liq_limits", 301, 2, "supervisor", "So many at once take four eyes."),
    ("position_limit", 1, 1, "supervisor", "May loosen: more contracts may be held."),
    ("risk_parameter", 1, 1, "supervisor", "May loosen: larger orders may be sent."),
    ("risk_category", 1001, 2, "supervisor", "So many at once take four eyes."),
    ("liquidate", 1, 1, "supervisor", "Destructive: what is closed stays closed."),
    ("liquidate", 101, 2, "supervisor", "So many at once take four eyes."),
    ("user_lockout", 1, 1, "supervisor", "Loosening: the trader may trade again."),
    ("reset_auto_liq_status", 1, 1, "supervisor", "Not documented: may let the trader trade again."),
    ("max_net_liq", 1, 1, "supervisor", "May loosen, and may liquidate at once."),
    ("demo_balance", 1, 1, "supervisor", "Money; can't be made again safely."),
    ("remediation", 1, 1, "supervisor", "Money, and the trader may trade again."),
]


def add(apps, schema_editor):
    rules = apps.get_model("changes", "PolicyRule").objects.using(schema_editor.connection.alias)
    for kind, items, decisions, role, note in RULES:
        rules.create(kind=kind, at_least_items=items, decisions_needed=decisions, decider_role=role, note=note)


def remove(apps, schema_editor):
    rules = apps.get_model("changes", "PolicyRule").objects.using(schema_editor.connection.alias)
    for kind, items, *_ in RULES:
        rules.filter(kind=kind, environment="", at_least_items=items).delete()


class Migration(migrations.Migration):
    dependencies = [("changes", "0002_guards")]

    operations = [migrations.RunPython(add, remove)]
