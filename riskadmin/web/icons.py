"""The names of the available icons, so that a page that uses another one fails in its test instead of showing a gap."""

import json
from functools import cache
from pathlib import Path

from django.contrib.staticfiles import finders

SPRITE = "vendor/tabler-icons/icons.svg"


@cache
def icon_names() -> frozenset[str]:
    """Return the names in the sprite, from the manifest of vendored files. `riskadmin.web.vendor` says how to add one."""
    manifest = finders.find("vendor/manifest.json")
    if manifest is None:
        raise FileNotFoundError("static/vendor/manifest.json is not among the static files.")
    return frozenset(json.loads(Path(manifest).read_text(encoding="utf-8"))["icons"])
