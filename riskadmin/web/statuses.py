"""What a page answers with, beside 200, so that htmx and scripts know it too."""

from typing import Final

UNAUTHORIZED: Final = 401
"""A program has to say who it is, or a person to sign in or to prove who they are; nothing was done."""

UNPROCESSABLE: Final = 422
"""What was typed has to be corrected; nothing was written."""

CONFLICT: Final = 409
"""It is no longer what the page showed, or may not be done now; nothing was done."""
