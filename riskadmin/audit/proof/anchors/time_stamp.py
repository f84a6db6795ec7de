"""Asking a time-stamp authority (RFC 3161) to sign that a checkpoint existed at a time, and verifying its answer."""

from pathlib import Path
from typing import Final

import requests
from cryptography.x509 import load_pem_x509_certificates
from rfc3161_client import TimestampRequestBuilder, VerificationError, VerifierBuilder, decode_timestamp_response

_HEADERS: Final = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
_BYTES_MAX: Final = 100_000


class NotStamped(Exception):
    """The authority answered with something that is no valid time stamp of this text."""


def stamp(url: str, content: bytes, certificates: str, timeout_s: float) -> bytes:
    """Return the authority's answer, once it is verified against the certificates of a PEM file: those of its roots.

    Raises requests.RequestException, OSError and NotStamped.
    """
    roots = load_pem_x509_certificates(Path(certificates).read_bytes())
    request = TimestampRequestBuilder().data(content).nonce(nonce=True).cert_request(cert_request=True).build()
    answer = requests.post(url, data=request.as_bytes(), headers=_HEADERS, timeout=timeout_s, allow_redirects=False)
    if answer.status_code != requests.codes.ok:
        raise NotStamped(f"the authority answered {answer.status_code}")
    if len(answer.content) > _BYTES_MAX:
        raise NotStamped("the authority's answer is too long")
    builder = VerifierBuilder().nonce(request.nonce or 0)
    for root in roots:
        builder = builder.add_root_certificate(root)
    try:
        response = decode_timestamp_response(answer.content)
        builder.build().verify_message(response, content)
    except (ValueError, VerificationError) as error:
        raise NotStamped(f"the authority's answer is not valid: {error}") from error
    return answer.content
