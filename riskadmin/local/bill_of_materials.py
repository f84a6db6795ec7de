"""`make sbom`: everything that the product's image adds, as a CycloneDX 1.6 document on the standard output.

It is made from what fixes the versions, `requirements.lock` and the manifest of the front-end packages, so the same commit
always gives the same document. Base images are in `Dockerfile` and `docker-compose.yml`, by version.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from typing import Any, Final

from riskadmin.local.places import PROJECT

REQUIREMENT: Final = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)(\[[^\]]*\])?==(?P<version>[^\s;]+)(?P<rest>(?:.*\\\n)*.*)$", re.MULTILINE
)


def document() -> dict[str, Any]:
    """Return the document."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": project["name"],
                "name": project["name"],
                "version": project["version"],
            }
        },
        "components": [*_python_packages(), *_front_end_packages()],
    }


def _python_packages() -> list[dict[str, Any]]:
    found = []
    for each in REQUIREMENT.finditer((PROJECT / "requirements.lock").read_text(encoding="utf-8")):
        name, version = each["name"].lower(), each["version"]
        hashes = re.findall(r"--hash=sha256:([0-9a-f]{64})", each["rest"])
        found.append(
            _component(f"pkg:pypi/{name}@{version}", name, version, _licence(name))
            # Of each file that may be installed: the wheels of every platform, and the source.
            | {"properties": [{"name": "riskadmin:file:sha256", "value": value} for value in hashes]}
        )
    return found


def _front_end_packages() -> list[dict[str, Any]]:
    manifest = json.loads((PROJECT / "static" / "vendor" / "manifest.json").read_text(encoding="utf-8"))
    served = [each for each in manifest["packages"] if any(path.startswith("static/") for path in each["files"])]
    return [
        _component(
            f"pkg:npm/{each['name'].replace('@', '%40')}@{each['version']}", each["name"], each["version"], each["licence"]
        )
        for each in served
    ]


def _component(purl: str, name: str, version: str, licence: str) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    return found | ({"licenses": [{"license": {"name": licence}}]} if licence else {})


def _licence(name: str) -> str:
    """Return the licence that an installed package names, "" if it isn't installed on this platform or names none."""
    try:
        said = metadata(name)
    except PackageNotFoundError:
        return ""
    for name_of_field in ("License-Expression", "License"):
        if name_of_field in said and "\n" not in said[name_of_field]:
            return str(said[name_of_field])
    return ", ".join(text.rpartition(" :: ")[2] for text in said.get_all("Classifier") or () if text.startswith("License :: "))


if __name__ == "__main__":
    json.dump(document(), sys.stdout, indent=2)
    sys.stdout.write("\n")
