from django.apps import AppConfig
from django.conf import settings


class ChangesConfig(AppConfig):
    """Changes: requested, planned, approved."""

    name = "accounts.changes"
    label = "changes"

    def ready(self) -> None:
        """Refuse to start with caps that have no effect; tell the packages below about kinds, states and approvals.

        Approvals are put under proof here, where it is known to which change, and so to which events, they belong.
        """
        # Models can't be imported before.
        from accounts.approvals.models import Approval  # noqa: PLC0415
        from accounts.approvals.subjects import register  # noqa: PLC0415
        from accounts.changes.access import visible_events, visible_messages  # noqa: PLC0415
        from accounts.changes.approval import CHANGES  # noqa: PLC0415
        from accounts.changes.kinds.caps import check_caps  # noqa: PLC0415
        from accounts.changes.kinds.registration import name_fields_of_tables, register_kinds  # noqa: PLC0415
        from accounts.changes.notices import register_notices  # noqa: PLC0415
        from accounts.changes.states import CHANGE_LOOK, ITEM_LOOK  # noqa: PLC0415
        from riskadmin.audit.access import register as register_condition  # noqa: PLC0415
        from riskadmin.audit.proof.sources import Source, put_under_proof  # noqa: PLC0415
        from riskadmin.audit.wording import name_states  # noqa: PLC0415
        from riskadmin.notifications.access import register as register_filter  # noqa: PLC0415

        put_under_proof(
            Source(
                Approval,
                groups={"staff": ("staff_name",), "text": ("comment", "shown", "excluded")},
                time="made_at",
                about="row_.request_id IN (SELECT approval_id FROM changes_change WHERE id IN"
                " (SELECT change_id FROM audit_event JOIN exported USING (id)))",
            )
        )
        check_caps(settings.LIMIT_CAPS)
        register_kinds()
        name_fields_of_tables()
        register_notices()
        name_states("change", CHANGE_LOOK)
        name_states("item", ITEM_LOOK)
        register(CHANGES)
        register_condition(visible_events)
        register_filter(visible_messages)
