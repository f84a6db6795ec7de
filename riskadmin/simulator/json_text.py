"""JSON without loss: a number keeps its original text, and a lone surrogate is escaped.

``66.66666667`` and ``1e17`` are sent as they were received. Python's own encoder would write ``1e+17`` for the latter, and
it refuses to encode half of a surrogate pair.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final

# Created once: json.dumps with separators creates an encoder per call, which is a tenth of a write's time.
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
_ASCII_ENCODER: Final = json.JSONEncoder(separators=(",", ":"))


class ExactNumber(float):
    """A number whose text differs from what Python writes for the same double."""

    text: str


def _number(text: str) -> float:
    """Return the double of a JSON number, with its text where Python would write it differently."""
    plain = float(text)
    # Beyond a double's range Python would write "Infinity".
    if math.isfinite(plain) and repr(plain) == text:
        return plain
    exact = ExactNumber(text)
    exact.text = text
    return exact


def decode(text: str | bytes) -> Any:
    """Return the value of a JSON text. Raise ValueError when it is invalid. NaN and infinities are accepted."""
    return json.loads(text, parse_float=_number)


def encode(value: object) -> bytes:
    """Return compact JSON. NaN and infinities are written with JavaScript's names for them."""
    if _has_exact_number(value):
        return _encode_piecewise(value)
    try:
        return _ENCODER.encode(value).encode()
    except UnicodeEncodeError:
        return _ASCII_ENCODER.encode(value).encode()


def _has_exact_number(value: object) -> bool:
    if type(value) is dict:
        return any(_has_exact_number(each) for each in value.values() if type(each) in _NESTED)
    if type(value) is list:
        return any(_has_exact_number(each) for each in value if type(each) in _NESTED)
    return type(value) is ExactNumber


_NESTED: Final = frozenset({dict, list, ExactNumber})


def _encode_piecewise(value: object) -> bytes:
    if isinstance(value, dict):
        return b"{" + b",".join(encode(str(name)) + b":" + encode(each) for name, each in value.items()) + b"}"
    if isinstance(value, list):
        return b"[" + b",".join(encode(each) for each in value) + b"]"
    return value.text.encode() if isinstance(value, ExactNumber) else encode(value)
