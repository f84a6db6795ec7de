"""The words and looks of these states for the audit trail, so that the trail and the other pages agree."""

from accounts.changes.states import CHANGE_LOOK, ITEM_LOOK, VERDICT_LOOK
from riskadmin.audit.wording import StateWords, name_states


def name_recorded_states() -> None:
    """Register the states with the trail; called as Django starts."""
    name_states({f"change:{state.value}": StateWords(label=state.label, look=look) for state, look in CHANGE_LOOK.items()})
    name_states({f"item:{state.value}": StateWords(label=state.label, look=look) for state, look in ITEM_LOOK.items()})
    name_states({f"verdict:{each.value}": StateWords(label=each.label, look=look) for each, look in VERDICT_LOOK.items()})
