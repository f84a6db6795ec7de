"""Who signs in, and with what: values that may be found nowhere else."""

from __future__ import annotations

from riskadmin.tradovate.tokens import Credentials

CREDENTIALS = Credentials(
    username="desk",
    password="pass-9f31",
    app_id="riskadmin",
    app_version="1",
    cid="77",
    sec="sec-51c0",
    device_id="d-1",
)
TOKEN = "token-7c1d0a"
