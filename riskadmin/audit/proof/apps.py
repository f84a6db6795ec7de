from django.apps import AppConfig


class ProofConfig(AppConfig):
    """Proof of the audit trail."""

    name = "riskadmin.audit.proof"
    label = "proof"

    def ready(self) -> None:
        """Put the trail itself under proof. Other packages do so with their own tables."""
        # Models can't be imported before.
        from riskadmin.audit.models import Event  # noqa: PLC0415
        from riskadmin.audit.proof import checks  # noqa: F401, PLC0415  (it registers itself)
        from riskadmin.audit.proof.sources import Source, put_under_proof  # noqa: PLC0415

        put_under_proof(
            Source(
                Event,
                groups={
                    "staff": ("staff_name", "address"),
                    "trader": ("account_name",),
                    "text": ("reason_text", "before", "after", "detail"),
                },
                time="occurred_at",
                about="row_.id IN (SELECT id FROM exported)",
            )
        )
