"""A person at the web pages without a browser: signs in and fills in forms over HTTP, as a page without scripts does."""

import re
from typing import Final

import requests

from tests.stack import PASSWORD

HIDDEN: Final = re.compile(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)"')


class PeopleClient:
    """One signed-in person."""

    def __init__(self, base_url: str, username: str, password: str = PASSWORD) -> None:
        self.base_url = base_url
        self.session = requests.Session()
        self.session.trust_env = False
        page = self.get("/sign-in/")
        answer = self.post("/sign-in/", page, username=username, password=password)
        assert "sessionid" in self.session.cookies, answer.text[:2000]

    def get(self, path: str) -> requests.Response:
        """Open a page."""
        return self.session.get(self.base_url + path, timeout=120)

    def post(self, path: str, page: requests.Response, **fields: object) -> requests.Response:
        """Send the form of a page with its hidden fields and these."""
        hidden: dict[str, list[str]] = {}
        for name, value in HIDDEN.findall(page.text):
            hidden.setdefault(name, []).append(value)
        data = {**hidden, **{name: [str(value)] for name, value in fields.items()}}
        data["csrfmiddlewaretoken"] = data["csrfmiddlewaretoken"][:1]
        return self.session.post(self.base_url + path, data=data, timeout=120, headers={"Referer": self.base_url + path})

    def ask(self, kind: str, account_id: int, *, reason: str) -> int:
        """Ask for a change of one demo account and return its number."""
        path = f"/changes/new/{kind}/?account=demo:{account_id}"
        answer = self.post(path, self.get(path), reason_code="Other", reason_text=reason)
        found = re.search(r"/changes/(\d+)/$", answer.url)
        assert found, f"{answer.status_code} {answer.url}: {answer.text[:3000]}"
        return int(found[1])
