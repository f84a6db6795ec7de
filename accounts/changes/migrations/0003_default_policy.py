"""The initial policy: protective changes need no approval, loosening changes need a supervisor's."""

from django.db import migrations

from accounts.changes.kinds.default_policy import AddDefaultPolicy

KINDS = (
    "lock",
    "liquidate_only",
    "unlock",
    "liquidate",
    "risk_category",
    "auto_liq_limits",
    "position_limit",
    "risk_parameter",
    "user_lockout",
    "reset_auto_liq_status",
    "max_net_liq",
    "demo_balance",
    "remediation",
)


class Migration(migrations.Migration):
    dependencies = [("changes", "0002_guards")]

    operations = [AddDefaultPolicy(kind) for kind in KINDS]
