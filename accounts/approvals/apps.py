from django.apps import AppConfig


class ApprovalsConfig(AppConfig):
    """Approvals and policy."""

    name = "accounts.approvals"
    label = "approvals"

    def ready(self) -> None:
        """Register the policy as something to be approved, and the looks of states with the audit trail."""
        # Models can't be imported before.
        from accounts.approvals.leaving import Requests  # noqa: PLC0415
        from accounts.approvals.policy_versions import PolicySubject  # noqa: PLC0415
        from accounts.approvals.states import POLICY_LOOK, REQUEST_LOOK, VERDICT_LOOK  # noqa: PLC0415
        from accounts.approvals.subjects import register  # noqa: PLC0415
        from riskadmin.audit.wording import name_states  # noqa: PLC0415
        from riskadmin.staff import leaving  # noqa: PLC0415

        register(PolicySubject())
        leaving.register(Requests())
        name_states("request", REQUEST_LOOK)
        name_states("verdict", VERDICT_LOOK)
        name_states("policy", POLICY_LOOK)
