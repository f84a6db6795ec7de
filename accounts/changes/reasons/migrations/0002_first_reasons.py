"""Reasons to begin with, for each kind of change. An administrator edits, adds and retires them from then on."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

OTHER = "Other"
FIRST = {
    "lock": (
        ("Breach of the rules", OTHER, "Locked after a breach of the firm's rules: [which rule]."),
        ("Runaway orders", OTHER, "Locked because orders kept coming: [what was seen]."),
        ("Trader's request", OTHER, "Locked as the trader asked on [date]."),
        ("Under review", OTHER, "Locked while this is reviewed: [what is reviewed]."),
        ("Whole balance withdrawn", "FullBalanceWithdrawal", "Locked after the whole balance was withdrawn."),
    ),
    "liquidate_only": (
        ("Breach of the rules", OTHER, "Closing orders only after a breach of the firm's rules: [which rule]."),
        ("Trader's request", OTHER, "Closing orders only, as the trader asked on [date]."),
        ("Under review", OTHER, "Closing orders only while this is reviewed: [what is reviewed]."),
    ),
    "unlock": (
        ("Reviewed with the trader", OTHER, "Unlocked after a review with the trader: [what was agreed]."),
        ("Our mistake", OTHER, "Unlocked because it was locked by mistake: [what went wrong]."),
        ("New session", OTHER, "Unlocked for the new session."),
        ("Review finished", OTHER, "Unlocked after the review: [result]."),
    ),
    "liquidate": (
        ("Breach of the rules", OTHER, "Positions closed after a breach of the firm's rules: [which rule]."),
        ("Trader's request", OTHER, "Positions closed as the trader asked on [date]."),
        ("Trader can't be reached", OTHER, "Positions closed because the trader can't be reached: [what was tried]."),
    ),
    "risk_category": (
        ("Promotion", OTHER, "Moved to another risk category after a promotion to [stage]."),
        (
            "Rules of the program changed",
            OTHER,
            "Moved to another risk category because the program's rules changed: [what changed].",
        ),
        ("Wrong category", OTHER, "Moved because the account was in the wrong risk category."),
        ("Program stopped", OTHER, "Moved because trading in the program is stopped: [why]."),
    ),
    "auto_liq_limits": (
        ("Promotion", OTHER, "Limits set after a promotion to [stage]."),
        ("Limit template", OTHER, "Limits set as the limit template says."),
        ("Trader's request", OTHER, "Limits set as the trader asked on [date]."),
        ("Wrong limits", OTHER, "Limits corrected: [what was wrong]."),
    ),
    "position_limit": (
        ("Promotion", OTHER, "Position limits set after a promotion to [stage]."),
        ("Trader's request", OTHER, "Position limits set as the trader asked on [date]."),
        ("Event or news", OTHER, "Position limits set because of [event]."),
        ("Wrong limits", OTHER, "Position limits corrected: [what was wrong]."),
    ),
    "risk_parameter": (
        ("Promotion", OTHER, "Risk parameters set after a promotion to [stage]."),
        ("Event or news", OTHER, "Risk parameters set because of [event]."),
        ("Wrong parameters", OTHER, "Risk parameters corrected: [what was wrong]."),
    ),
    "user_lockout": (
        ("Trader's request", OTHER, "The trader's own lockout ended as they asked on [date]."),
        ("Locked out by mistake", OTHER, "The trader's own lockout ended: they locked themselves out by mistake."),
    ),
    "reset_auto_liq_status": (
        ("Reviewed with the trader", OTHER, "Auto-liquidation status reset after a review with the trader: [what was agreed]."),
        ("Wrong limits", OTHER, "Auto-liquidation status reset: a wrong limit had stopped the account."),
    ),
    "max_net_liq": (
        ("Payout", OTHER, "Peak set after a payout of [amount]."),
        ("New evaluation", OTHER, "Peak set for a new evaluation."),
        ("Wrong figures", OTHER, "Peak corrected: [what was wrong]."),
    ),
    "demo_balance": (
        ("New evaluation", OTHER, "Balance set for a new evaluation."),
        ("Payout", OTHER, "Balance changed after a payout of [amount]."),
        ("Wrong figures", OTHER, "Balance corrected: [what was wrong]."),
    ),
    "remediation": (
        ("New evaluation", OTHER, "Account reset for a new evaluation."),
        ("Incident at Tradovate", OTHER, "Account reset after an incident: [which incident]."),
        ("Our mistake", OTHER, "Account reset because of a mistake of ours: [what went wrong]."),
    ),
}
"""By kind, in the order in which forms offer them: name, Tradovate's code, text."""


def add(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    reasons = apps.get_model("reasons", "FirmReason").objects.using(schema_editor.connection.alias)
    for kind, first in FIRST.items():
        for position, (name, code, text) in enumerate(first, start=1):
            reasons.create(kind=kind, position=position, name=name, code=code, text=text)


class Migration(migrations.Migration):
    dependencies = [("reasons", "0001_reasons")]

    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
