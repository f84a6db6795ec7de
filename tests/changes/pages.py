"""Forms and pages for tests: where they are, what a form would send, and the words that a page answers."""

import re
from html import unescape
from typing import Any, Protocol

from django.urls import reverse

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.spec import Unit
from accounts.changes.targeting import targets
from accounts.changes.targeting.csv_upload import read_csv
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment


class Answer(Protocol):
    """A response of Django's test client, as far as this folder reads it."""

    @property
    def status_code(self) -> int:
        """The status."""
        ...

    @property
    def content(self) -> bytes:
        """The body."""
        ...


def text_of(answer: Answer) -> str:
    """Return the body as text."""
    return answer.content.decode()


def read_aloud(answer: Answer) -> str:
    """Return the words of a page in one line, without its tags."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", text_of(answer))).split())


def words(answer: Answer) -> str:
    """Return the words of a page that could be opened, without the blanks that only tags have put between them."""
    assert answer.status_code == 200
    return re.sub(r" (?=[.,)])|(?<=\() ", "", read_aloud(answer))


def new(kind_name: str = "fake") -> str:
    """The address of asking for a kind."""
    return reverse("changes:new", args=[kind_name])


def listed(person: Staff, text: str) -> str:
    """Choose accounts by hand, and return the list's id."""
    return str(targets.keep(person, targets.of_text(Environment.DEMO, Unit.ACCOUNT, text)).pk)


def uploaded(person: Staff, *lines: str) -> str:
    """Choose accounts by a file for the fake kind, and return the list's id."""
    kind = KINDS["fake"]
    chosen = read_csv(kind, Environment.DEMO, "\n".join(lines).encode(), filename="fake.csv")
    return str(targets.keep(person, chosen, kind=kind).pk)


def typed(page: Any, **fields: Any) -> dict[str, Any]:
    """What the form on a page sends, with some fields filled in otherwise."""
    form = page.context["form"]
    return {
        **dict(page.context["naming"]),
        **dict(page.context["typed_parameters"]),
        "reason_code": "Other",
        "reason_text": "Asked for by hand",
        "form_key": str(form["form_key"].value()),
        "digest": form["digest"].value(),
        **fields,
    }
