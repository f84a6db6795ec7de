"""The effects found by a change's preview are stored with it, and PostgreSQL keeps them as requested."""

import django.core.serializers.json
from django.db import migrations, models

KEEP_EFFECTS = """
CREATE FUNCTION changes_keep_effects() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.effects IS DISTINCT FROM OLD.effects THEN
        RAISE EXCEPTION 'Change % is frozen: only its state moves.', OLD.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END;
$$;
CREATE TRIGGER changes_change_keeps_effects BEFORE UPDATE OF effects ON changes_change
    FOR EACH ROW EXECUTE FUNCTION changes_keep_effects();
ALTER TABLE changes_change ENABLE ALWAYS TRIGGER changes_change_keeps_effects;
"""
FORGET = """
DROP TRIGGER changes_change_keeps_effects ON changes_change;
DROP FUNCTION changes_keep_effects();
"""


class Migration(migrations.Migration):
    dependencies = [("changes", "0013_resolved_by_somebody_else")]

    operations = [
        migrations.AddField(
            model_name="change",
            name="effects",
            field=models.JSONField(encoder=django.core.serializers.json.DjangoJSONEncoder, null=True),
        ),
        migrations.RunSQL(KEEP_EFFECTS, FORGET),
    ]
