"""Text that no tool shows: `repr`, and so every listing of settings, has stars in its place."""

import re
from typing import Final

STARS: Final = "********"
PASSWORD_IN_URL: Final = re.compile(r"(?<=:)[^:@/]+(?=@)")


class Secret(str):
    """A text that is used as any other, and shown as stars. Formatting it into another text, or writing it, does reveal it."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return stars for a secret, and quotes for an empty text: whether it is set may be known."""
        return repr(STARS if self else "")


class SecretUrl(Secret):
    """An address that is shown without its password."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return the address with stars for its password."""
        return repr(PASSWORD_IN_URL.sub(STARS, str(self)))
