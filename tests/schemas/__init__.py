"""Schemas of the writing endpoints, reduced from the OpenAPI blocks of their pages and made stricter.

``request_errors`` and ``response_errors`` take an endpoint's name (see ``schema_name``) and a parsed body
(None for a missing one) and return what is wrong with it; an empty list means that it fits.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

HERE: Final = Path(__file__).parent
ENDPOINTS: Final = tuple(sorted(path.stem for path in HERE.glob("*.yaml") if path.stem != "entities"))
_SHARED: Final = frozenset({"create", "update"})


def schema_name(path: str) -> str:
    """Return the name of a path's schema: its last segment, with the entity before it where several have that one."""
    kind, name = path.lower().strip("/").split("/")
    return f"{kind}-{name}" if name in _SHARED else name


def document(name: str) -> dict[str, Any]:
    """Return one of the YAML files: path, environments, request, response."""
    loaded: dict[str, Any] = yaml.safe_load((HERE / f"{name}.yaml").read_text())
    return loaded


@cache
def validator(endpoint: str, part: str) -> Draft202012Validator:
    """Return the validator of an endpoint's ``request`` or ``response``."""
    shared: Registry[Any] = Registry().with_resources(
        [("urn:riskadmin:entities", Resource.from_contents(document("entities")))]
    )
    schema = document(endpoint)[part]
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, registry=shared)


def request_errors(endpoint: str, body: object) -> list[str]:
    """Return what is wrong with a request body."""
    return [error.message for error in validator(endpoint, "request").iter_errors(body)]


def response_errors(endpoint: str, body: object) -> list[str]:
    """Return what is wrong with the body of a 200."""
    return [error.message for error in validator(endpoint, "response").iter_errors(body)]
