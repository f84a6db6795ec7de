"""The view of what templates govern, and which fields differ: one rule, in SQL, for one account and for all of them.

A version's limits are extracted from their JSON once, not once for each account. To alter the type of a column that is named
here, drop the view first and create it again.
"""

from django.db import migrations

NUMBERS = (
    *(f"daily_loss_{effect}_{unit}" for unit in ("usd", "pct") for effect in ("alert", "liq_only", "auto_liq")),
    *(f"margin_{effect}_pct" for effect in ("alert", "liq_only", "auto_liq")),
    "weekly_loss_auto_liq_usd",
    "daily_profit_auto_liq_usd",
    "weekly_profit_auto_liq_usd",
    "trailing_max_drawdown_usd",
    "trailing_max_drawdown_limit_usd",
)
FLAGS = ("do_not_unlock", "stepped_unlimited")
TEXTS = ("trailing_max_drawdown_mode",)
RECORDS = ("stepped_cooldown",)
COLUMNS = (
    *(f"(version.limits->>'{name}')::numeric AS {name}" for name in NUMBERS),
    *(f"(version.limits->>'{name}')::boolean AS {name}" for name in FLAGS),
    *(f"version.limits->>'{name}' AS {name}" for name in TEXTS),
    *(f"version.limits->'{name}' AS {name}" for name in RECORDS),
)
# A field that the template does not set is NULL there, and not compared.
DIFFERING = ",\n        ".join(
    f"CASE WHEN said.{name} IS NOT NULL AND held.{name} IS DISTINCT FROM said.{name} THEN '{name}' END"
    for name in (*NUMBERS, *FLAGS, *TEXTS, *RECORDS)
)

CREATE = f"""
CREATE VIEW limit_templates_governed AS
WITH said AS MATERIALIZED (
    SELECT version.id, version.template_id, template.level, {", ".join(COLUMNS)}
    FROM limit_templates_templateversion AS version
    JOIN limit_templates_limittemplate AS template ON template.id = version.template_id
    WHERE version.state = 'in_force'
)
SELECT held.id, held.account_id, said.template_id, said.id AS version_id,
       coalesce(by_category.id, by_size.id) AS assignment_id,
       array_remove(ARRAY[
        {DIFFERING}
       ], NULL) AS differing
FROM accounts_autoliqlimits AS held
JOIN accounts_account AS account ON account.id = held.account_id AND NOT account.archived
LEFT JOIN limit_templates_assignment AS by_category
    ON by_category.environment = account.environment AND by_category.level = held.level
    AND by_category.risk_category_id = account.risk_category_id
LEFT JOIN limit_templates_assignment AS by_size
    ON by_size.environment = account.environment AND by_size.level = held.level
    AND by_size.evaluation_size_usd = account.evaluation_size_usd
JOIN said ON said.template_id = coalesce(by_category.template_id, by_size.template_id)
"""  # noqa: S608  (the names are those above)


class Migration(migrations.Migration):
    dependencies = [("limit_templates", "0002_guards"), ("accounts", "0001_mirror")]

    operations = [migrations.RunSQL(CREATE, "DROP VIEW limit_templates_governed")]
