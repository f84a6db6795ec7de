"""Names in the audit trail for the fields that these kinds record: the labels of their forms and plans."""

from functools import partial

from accounts.changes.kinds import limit_fields
from accounts.models import pre_trade
from riskadmin.audit.wording import FieldWords, name_fields


def name_recorded_fields() -> None:
    """Register the names with the trail; called as Django starts."""
    limits = limit_fields.LIMIT_FIELDS.values()
    records = (*pre_trade.SCOPE, *pre_trade.POSITION_LIMIT_FIELDS, *pre_trade.RISK_PARAMETER_FIELDS)
    name_fields({each.name: FieldWords(label=each.label, value=partial(pre_trade.in_words, each)) for each in records})
    name_fields({each.name: FieldWords(label=each.label, value=partial(limit_fields.in_words, each)) for each in limits})
