"""Who resolved an item with an unknown outcome, and PostgreSQL's rule for it: never the person who requested the change.

A separate trigger, because it checks one transition only: the guard of all other transitions is not modified.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

CREATE = """
CREATE FUNCTION changes_guard_resolution() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state = 'cancelled' AND OLD.state = 'unknown' AND NEW.resolved_by_id IS NULL THEN
        RAISE EXCEPTION 'Item % is unknown: only a person can say that it was not applied.', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.resolved_by_id IS NOT DISTINCT FROM OLD.resolved_by_id THEN
        RETURN NEW;
    END IF;
    IF NEW.resolved_by_id IS NULL OR OLD.state <> 'unknown' OR NEW.state NOT IN ('applied', 'cancelled', 'queued') THEN
        RAISE EXCEPTION 'Item % keeps who decided about it: it does not go from unknown to an outcome.', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF EXISTS (SELECT FROM changes_change WHERE id = NEW.change_id AND requested_by_id = NEW.resolved_by_id) THEN
        RAISE EXCEPTION 'The person who requested change % can''t decide about its unknown items.', NEW.change_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END;
$$;

CREATE TRIGGER changes_item_resolution_guard BEFORE UPDATE ON changes_item FOR EACH ROW
    WHEN (NEW.resolved_by_id IS DISTINCT FROM OLD.resolved_by_id OR (OLD.state = 'unknown' AND NEW.state = 'cancelled'))
    EXECUTE FUNCTION changes_guard_resolution();
ALTER TABLE changes_item ENABLE ALWAYS TRIGGER changes_item_resolution_guard;
"""

DROP = """
DROP TRIGGER changes_item_resolution_guard ON changes_item;
DROP FUNCTION changes_guard_resolution();
"""


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("changes", "0012_target_list_notes"),
    ]

    operations = [
        migrations.AddField(
            model_name="item",
            name="resolved_by",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.RunSQL(CREATE, DROP),
    ]
