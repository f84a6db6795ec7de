"""What the packages below this one are told about the kinds as Django starts: they can't import them.

All of it comes from each kind's `KindSpec`, except for the trail's formats of the fields that are defined once in a table.
"""

from functools import partial

from accounts.changes.kinds import KINDS, limit_fields
from accounts.models import pre_trade
from accounts.models.auto_liq_fields import AUTO_LIQ_FIELDS
from accounts.pages.requests import RequestButton, offer
from riskadmin.audit.wording import FieldWords, name_fields
from riskadmin.staff.roles import grant
from riskadmin.web.access import name_capability


def register_kinds() -> None:
    """Grant each kind's capability to its roles and name it, offer it in lists, and name what it records for the trail."""
    for kind in KINDS.values():
        spec = kind.spec
        grant(spec.capability, spec.requested_by)
        name_capability(spec.capability, spec.permission)
        name_fields({name: FieldWords(label=label) for name, label in spec.recorded.items()})
        if spec.in_lists:
            offer(RequestButton(kind=spec.name, words=spec.in_lists, capability=spec.capability))


def name_fields_of_tables() -> None:
    """Register with the trail the labels and formats of limits and of pre-trade records, as their forms and plans have them."""
    limits = AUTO_LIQ_FIELDS.values()
    records = (*pre_trade.SCOPE, *pre_trade.POSITION_LIMIT_FIELDS, *pre_trade.RISK_PARAMETER_FIELDS)
    name_fields({each.name: FieldWords(label=each.label, value=partial(pre_trade.in_words, each)) for each in records})
    name_fields({each.name: FieldWords(label=each.label, value=partial(limit_fields.in_words, each)) for each in limits})
