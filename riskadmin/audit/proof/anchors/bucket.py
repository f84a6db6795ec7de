"""Putting an object into an S3-compatible bucket under an object lock: one request, signed with AWS Signature Version 4."""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote, urlsplit

import requests

_ALGORITHM: Final = "AWS4-HMAC-SHA256"


class NotStored(Exception):
    """The server answered, and did not store the object under a lock."""


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """A bucket, and a folder in it, by its address in path style: https://HOST/BUCKET/FOLDER. Object lock must be on."""

    url: str
    region: str
    access_key: str
    secret_key: str
    timeout_s: float

    def put_locked(self, key: str, content: bytes, *, retain_days: int) -> str:
        """Store an object that no one can alter or delete for so many days (mode COMPLIANCE), and return its version's id.

        Raises requests.RequestException and NotStored.
        """
        now = datetime.now(UTC)
        until = (now + timedelta(days=retain_days)).strftime("%Y-%m-%dT%H:%M:%SZ")
        parts = urlsplit(f"{self.url.rstrip('/')}/{key}")
        headers = {
            "host": parts.netloc,
            # S3 takes a lock only with a digest of the content; this is the one that all servers know.
            "content-md5": base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode(),
            "x-amz-content-sha256": hashlib.sha256(content).hexdigest(),
            "x-amz-date": now.strftime("%Y%m%dT%H%M%SZ"),
            "x-amz-object-lock-mode": "COMPLIANCE",
            "x-amz-object-lock-retain-until-date": until,
        }
        headers["authorization"] = self._authorization("PUT", quote(parts.path), headers)
        answer = requests.put(parts.geturl(), data=content, headers=headers, timeout=self.timeout_s, allow_redirects=False)
        if answer.status_code != requests.codes.ok:
            raise NotStored(f"the bucket answered {answer.status_code}")
        version = answer.headers.get("x-amz-version-id")
        if not version:
            raise NotStored("the bucket keeps no versions, so it has no object lock")
        return version

    def _authorization(self, method: str, path: str, headers: dict[str, str]) -> str:
        names = ";".join(sorted(headers))
        canonical = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        request = f"{method}\n{path}\n\n{canonical}\n{names}\n{headers['x-amz-content-sha256']}"
        at = headers["x-amz-date"]
        scope = f"{at[:8]}/{self.region}/s3/aws4_request"
        signed = f"{_ALGORITHM}\n{at}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        key = f"AWS4{self.secret_key}".encode()
        for part in (at[:8], self.region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, signed.encode(), "sha256").hex()
        return f"{_ALGORITHM} Credential={self.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
