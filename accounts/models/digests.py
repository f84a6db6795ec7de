"""The digest of what somebody was shown."""

import hashlib
import json

from django.core.serializers.json import DjangoJSONEncoder


def digest_of(content: object) -> str:
    """Return the SHA-256, in hex, of `content` as canonical JSON: sorted keys, no blanks, UTF-8."""
    text = json.dumps(content, cls=DjangoJSONEncoder, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
