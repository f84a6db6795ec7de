"""The frame around every page: navigation by capability, environment, theme, and nothing inline."""

import re

import pytest
from django.test import Client

from riskadmin.web.navigation import current_url, shortcut_keys


def _page(site: Client, address: str = "/", capabilities: str = "") -> str:
    return " ".join(site.get(address, headers={"X-Person": capabilities}).content.decode().split())


def _navigation(page: str) -> list[str]:
    found = re.search(r"<nav id=\"navigation\".*?</nav>", page, re.DOTALL)
    assert found
    return re.findall(r"<span>(\w+)</span>", found[0])


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ("", ["Home"]),
        ("changes:view", ["Home", "Changes"]),
        ("changes:view changes:decide", ["Home", "Changes", "Approvals"]),
    ],
)
def test_the_navigation_is_what_the_person_may_open(site: Client, capabilities: str, expected: list[str]) -> None:
    assert _navigation(_page(site, capabilities=capabilities)) == expected


def test_a_stranger_sees_no_navigation(site: Client) -> None:
    assert 'id="navigation"' not in site.get("/nowhere").content.decode()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "/"),
        ("/changes/", "/changes/"),
        ("/changes/7/", "/changes/"),
        ("/changes/approvals/7/", "/changes/approvals/"),
        ("/elsewhere/", None),
    ],
)
def test_the_current_entry_is_the_deepest_above_the_path(path: str, expected: str | None) -> None:
    assert current_url(["/", "/changes/", "/changes/approvals/"], path) == expected


def test_each_entry_has_a_key_of_its_own() -> None:
    assert shortcut_keys(["Home", "Accounts", "Approvals", "Audit", "A"]) == {
        "Home": "h",
        "Accounts": "a",
        "Approvals": "p",
        "Audit": "u",
        "A": "",
    }


def test_a_badge_is_fetched_from_its_address(site: Client) -> None:
    page = _page(site, capabilities="changes:view changes:decide")
    assert '<span class="nav-badge" hx-get="/changes/" hx-trigger="load, poll" data-poll="30s"></span>' in page


def test_live_marks_the_whole_page(site: Client) -> None:
    assert "<body hx-headers=" in _page(site)
    assert 'data-environment="live"' in _page(site, "/?environment=live")
    assert '<span class="env env-live">Live</span>' in _page(site, "/?environment=live")
    assert "env-live" not in _page(site, "/?environment=demo")


def test_no_page_carries_a_style_or_a_script_of_its_own(site: Client) -> None:
    page = _page(site, capabilities="changes:view")
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=", page) == []
    assert [tag for tag in re.findall(r"<script[^>]*>", page) if "src=" not in tag] == []


def test_there_is_one_heading_and_one_main(site: Client) -> None:
    page = _page(site)
    assert (page.count("<h1"), page.count("<main")) == (1, 1)


# --- Theme ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", ["light", "dark", "system"])
def test_a_theme_is_chosen_without_scripts(site: Client, theme: str) -> None:
    response = site.post("/-/theme", {"theme": theme}, headers={"Referer": "http://testserver/somewhere?a=1"})
    assert (response.status_code, response.headers["Location"]) == (303, "http://testserver/somewhere?a=1")
    assert f'data-bs-theme="{theme}"' in _page(site)


@pytest.mark.parametrize("nonsense", ["", "purple", '"><script>'])
def test_nonsense_is_the_systems_theme(site: Client, nonsense: str) -> None:
    site.post("/-/theme", {"theme": nonsense})
    assert 'data-bs-theme="system"' in _page(site)
    site.cookies["theme"] = nonsense
    assert 'data-bs-theme="system"' in _page(site)


def test_choosing_a_theme_leads_to_no_foreign_page(site: Client) -> None:
    response = site.post("/-/theme", {"theme": "dark"}, headers={"Referer": "http://elsewhere.example/"})
    assert response.headers["Location"] == "/"
