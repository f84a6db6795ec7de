"""`manage.py check --deploy` says when the trail can't be sealed."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core import checks

from riskadmin.audit.proof.start import MISSING


@checks.register("audit_proof", deploy=True)
def signing_key(app_configs: Sequence[Any] | None, **_: Any) -> list[checks.CheckMessage]:  # noqa: ARG001  (Django's signature)
    """Find that there is no key: an error where the processes refuse to start because of it."""
    if settings.AUDIT_SIGNING_KEY:
        return []
    is_lenient = settings.DEBUG or settings.DEMO
    return [checks.Warning(MISSING, id="proof.W001") if is_lenient else checks.Error(MISSING, id="proof.E001")]
