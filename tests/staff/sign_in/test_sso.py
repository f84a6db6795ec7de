"""Single sign-on with a real OpenID Connect server: who gets in, with which roles, and what is refused."""

from typing import Any
from urllib.parse import urlencode

import pytest
import requests
from allauth.socialaccount.models import SocialAccount, SocialToken
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from django.contrib.auth.models import Group
from django.test import Client, RequestFactory
from django.urls import reverse
from pytest_django.fixtures import Settings

from riskadmin.audit.models import Event
from riskadmin.audit.origin import Origin
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.people.actions import reset
from riskadmin.staff.roles import Role
from riskadmin.staff.sign_in import sso_protocol
from tests.staff.people import make_person
from tests.staff.sign_in.factors import code, has_app
from tests.staff.sign_in.provider import Provider, away, query_of, through

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("server")]

START, CALLBACK, HOME = reverse("sign_in:sso"), reverse("sign_in:sso_callback"), reverse("home")


def is_signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def refusal() -> Event:
    [event] = Event.objects.filter(tag=Tag.STAFF_SIGN_IN_REFUSED)
    return event


def test_a_person_is_linked_once_and_then_known_by_the_subject(client: Client, server: Provider, sue: Staff) -> None:
    response = through(client, server, next="/accounts/?q=1")

    assert (response.status_code, response["Location"]) == (303, "/accounts/?q=1")
    assert client.session["_auth_user_id"] == str(sue.pk)
    assert Event.objects.get(tag=Tag.STAFF_SIGNED_IN).detail == {"username": "sue", "proven_by": "single sign-on"}
    assert Event.objects.filter(tag=Tag.STAFF_SSO_LINKED).count() == 1
    sue.refresh_from_db()
    assert sue.has_usable_password()

    server.knows("sub-1", email="someone.else@firm.example", email_verified=False)
    again = Client()
    assert through(again, server).status_code == 303
    assert again.session["_auth_user_id"] == str(sue.pk)
    assert Event.objects.filter(tag=Tag.STAFF_SSO_LINKED).count() == 1


def test_the_request_has_pkce_state_and_nonce_and_goes_back_to_the_public_address(client: Client, settings: Settings) -> None:
    settings.PUBLIC_URL = "https://risk.firm.example"
    sent = query_of(away(client, {"scope": "admin", "auth_params": "prompt=none", "process": "connect"}))

    assert sent["redirect_uri"] == f"https://risk.firm.example{CALLBACK}"
    assert (sent["response_type"], sent["code_challenge_method"]) == ("code", "S256")
    assert len(sent["code_challenge"]) == 43
    assert len(sent["state"]) >= 16
    assert len(sent["nonce"]) >= 32
    assert set(sent["scope"].split()) == {"openid", "profile", "email"}
    assert not {"prompt", "max_age"} & set(sent)


@pytest.mark.parametrize(
    "case",
    [
        ({"email": "sue@firm.example", "email_verified": False, "preferred_username": "sue"}, "email"),
        ({"email": "sue@firm.example", "email_verified": "true", "preferred_username": "sue"}, "email"),
        ({"email": "sue@firm.example", "preferred_username": "sue"}, "email"),
        ({"email": "other@firm.example", "email_verified": True, "preferred_username": "sue"}, "email"),
        ({"email": "sue@firm.example", "email_verified": True, "preferred_username": "other"}, "username"),
        ({"email": "sue@firm.example", "email_verified": True, "preferred_username": "sue"}, "none"),
    ],
)
def test_strangers_are_refused(
    client: Client, server: Provider, sue: Staff, settings: Settings, case: tuple[dict[str, Any], str]
) -> None:
    claims, link_by = case
    settings.SSO_LINK_BY = link_by
    server.knows("stranger", **claims)

    response = through(client, server, "stranger")

    assert response.status_code == 403
    assert "There is no account for you here" in response.content.decode()
    assert not is_signed_in(client)
    assert refusal().detail["why"].startswith("There is no account")
    assert not SocialAccount.objects.exists()
    assert Staff.objects.count() == 1


def test_an_address_that_two_people_have_links_neither(client: Client, server: Provider, sue: Staff) -> None:
    Staff.objects.filter(pk=make_person(Role.ADMINISTRATOR).pk).update(email="sue@firm.example")
    assert through(client, server).status_code == 403
    assert not SocialAccount.objects.exists()


def test_a_second_identity_can_not_take_over_a_linked_person(client: Client, server: Provider, sue: Staff) -> None:
    through(client, server)
    server.knows("sub-2", email="sue@firm.example", email_verified=True)
    other = Client()

    assert through(other, server, "sub-2").status_code == 403
    assert not is_signed_in(other)
    assert refusal().detail["username"] == "sue"


@pytest.mark.parametrize("before", ["a stranger", "linked"])
def test_who_is_switched_off_here_stays_off(client: Client, server: Provider, sue: Staff, before: str) -> None:
    if before == "linked":
        through(client, server)
        client.post(reverse("staff:sign_out"))
    Staff.objects.update(is_active=False)

    assert through(client, server).status_code == 403
    assert not is_signed_in(client)
    assert refusal().detail["active"] is False


def test_groups_set_the_roles_at_every_sign_in(client: Client, server: Provider, sue: Staff, settings: Settings) -> None:
    settings.SSO_ROLES = {"desk": "support", "heads": "supervisor"}
    server.knows("sub-1", email="sue@firm.example", email_verified=True, groups=["heads", "others"])
    through(client, server)

    assert Staff.objects.get(pk=sue.pk).role_names == ("supervisor",)
    event = Event.objects.get(tag=Tag.STAFF_ROLES_FROM_SSO)
    assert (event.before, event.after) == ({"roles": ["support"]}, {"roles": ["supervisor"]})

    through(client, server)
    assert Event.objects.filter(tag=Tag.STAFF_ROLES_FROM_SSO).count() == 1


def test_groups_give_no_further_role_while_an_administrator_could_have_the_sign_in(
    client: Client, server: Provider, sue: Staff, settings: Settings
) -> None:
    """An administrator took the role, reset the sign-in and set a password; the groups must not complete that."""
    settings.SSO_ROLES = {"desk": "support", "heads": "supervisor"}
    through(client, server)
    ada = make_person(Role.ADMINISTRATOR, "ada")
    reset(ada, origin=Origin(job="tests"), person=sue)
    server.knows("sub-1", groups=["desk", "heads"])

    assert through(client, server).status_code == 303
    assert is_signed_in(client)
    assert Staff.objects.get(pk=sue.pk).role_names == ("support",)
    assert "two administrators have to give you" in client.get(reverse("home")).content.decode()
    assert Event.objects.get(tag=Tag.STAFF_ROLES_WITHHELD).detail["role"] == "supervisor"

    Staff.objects.get(pk=sue.pk).groups.add(Group.objects.get(name="supervisor"))  # as two administrators do
    through(client, server)
    assert Staff.objects.get(pk=sue.pk).role_names == ("supervisor", "support")


def test_what_was_open_ends_when_groups_give_a_further_role(
    client: Client, server: Provider, sue: Staff, settings: Settings
) -> None:
    settings.SSO_ROLES = {"desk": "support", "heads": "supervisor"}
    through(client, server)
    server.knows("sub-1", groups=["heads"])

    assert through(Client(), server).status_code == 303
    assert client.get(HOME).status_code == 302


def test_who_has_lost_the_groups_loses_the_roles_and_does_not_get_in(
    client: Client, server: Provider, sue: Staff, settings: Settings
) -> None:
    through(client, server)
    client.post(reverse("staff:sign_out"))
    settings.SSO_ROLES = {"desk": "support"}
    server.knows("sub-1", groups=[])

    assert through(client, server).status_code == 403
    assert not is_signed_in(client)
    assert Staff.objects.get(pk=sue.pk).role_names == ()
    assert refusal().detail["why"] == "None of your groups has a role here."


def test_people_are_added_only_if_the_setting_says_so(client: Client, server: Provider, settings: Settings) -> None:
    settings.SSO_CREATES_PEOPLE = True
    settings.SSO_ROLES = {"desk": "support"}
    assert through(client, server).status_code == 303

    person = Staff.objects.get()
    assert (person.username, person.email, person.role_names) == ("sue", "sue@firm.example", ("support",))
    assert not person.has_usable_password()
    assert Event.objects.filter(tag=Tag.STAFF_CREATED).count() == 1


def test_no_one_is_added_under_the_name_of_somebody_else(client: Client, server: Provider, settings: Settings) -> None:
    settings.SSO_CREATES_PEOPLE = True
    settings.SSO_ROLES = {"desk": "support"}
    make_person(Role.ADMINISTRATOR, "sue")

    assert through(client, server).status_code == 403
    assert Staff.objects.count() == 1
    assert not SocialAccount.objects.exists()


# --- Second factors --------------------------------------------------------------------------------------------------------


def test_here_a_second_factor_is_still_asked_for(client: Client, server: Provider, sue: Staff, settings: Settings) -> None:
    has_app(sue)
    settings.SECOND_FACTOR_REQUIRED = "everyone"
    response = through(client, server, next="/duty/")

    assert response["Location"] == reverse("sign_in:second_factor")
    assert not is_signed_in(client)
    assert client.session["account_login"]["signal_kwargs"] is None  # neither tokens nor what is stored of the person
    assert client.post(response["Location"], {"code": code()})["Location"] == "/duty/"
    assert Event.objects.get(tag=Tag.STAFF_SIGNED_IN).detail["proven_by"] == "single sign-on, authenticator app"


@pytest.mark.parametrize(
    "case",
    [
        (["mfa"], {"amr": ["pwd", "mfa"]}, 200),
        (["mfa"], {"amr": ["pwd"]}, 303),
        (["urn:firm:two"], {"acr": "urn:firm:two"}, 200),
        (["always"], {}, 200),
        ([], {"amr": ["mfa"]}, 303),
    ],
)
def test_the_provider_may_have_asked_for_it(
    client: Client, server: Provider, sue: Staff, settings: Settings, case: tuple[list[str], dict[str, Any], int]
) -> None:
    accepted, claims, answered = case
    settings.SECOND_FACTOR_REQUIRED = "everyone"
    settings.SSO_SECOND_FACTOR = accepted
    server.knows("sub-1", email="sue@firm.example", email_verified=True, **claims)
    through(client, server)

    assert client.get(HOME).status_code == answered


# --- Attacks ----------------------------------------------------------------------------------------------------------------


def test_no_other_site_can_begin_it(sue: Staff) -> None:
    strict = Client(enforce_csrf_checks=True)
    asked = strict.get(START)
    assert (asked.status_code, asked["Location"]) == (303, reverse("staff:sign_in"))
    assert strict.post(START).status_code == 403
    assert "socialaccount_states" not in strict.session


def test_an_answer_works_only_in_the_session_that_asked_and_once(client: Client, server: Provider, sue: Staff) -> None:
    back = server.sign_in(away(client), "sub-1")
    victim = Client()

    assert victim.get(back).status_code == 403
    assert not is_signed_in(victim)
    assert client.get(back).status_code == 303
    client.post(reverse("staff:sign_out"))
    assert client.get(back).status_code == 403
    assert not is_signed_in(client)


@pytest.mark.parametrize("query", [{}, {"code": "x"}, {"state": "x", "code": "x"}, {"state": "x", "error": "server_error"}])
def test_an_answer_to_no_question_is_refused(client: Client, sue: Staff, query: dict[str, str]) -> None:
    assert client.get(CALLBACK, query).status_code == 403
    assert not is_signed_in(client)


def test_another_nonce_is_refused(client: Client, server: Provider, sue: Staff) -> None:
    there = away(client)
    address, _, _ = there.partition("?")
    forged = f"{address}?{urlencode({**query_of(there), 'nonce': 'of-another-sign-in'})}"

    assert client.get(server.sign_in(forged, "sub-1")).status_code == 403
    assert not is_signed_in(client)


@pytest.mark.parametrize("other", ["/another", "/"])
def test_a_provider_that_names_another_issuer_is_refused(
    client: Client, server: Provider, sue: Staff, settings: Settings, other: str
) -> None:
    settings.SSO_ISSUER = server.issuer + other

    assert through(client, server).status_code == 403
    assert not is_signed_in(client)


def test_a_code_for_another_client_is_refused(client: Client, server: Provider, sue: Staff) -> None:
    there = away(client)
    address, _, _ = there.partition("?")
    forged = f"{address}?{urlencode({**query_of(there), 'client_id': 'another'})}"

    assert client.get(server.sign_in(forged, "sub-1")).status_code == 403
    assert not is_signed_in(client)


def test_tokens_for_others_unsigned_or_expired_are_refused(
    client: Client, server: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    import jwt
    from allauth.core import context

    seen: list[str] = []
    checked = sso_protocol.Adapter._checked_id_token

    def keep(self: sso_protocol.Adapter, app: Any, id_token: str) -> dict[str, Any]:
        seen.append(id_token)
        return checked(self, app, id_token)

    monkeypatch.setattr(sso_protocol.Adapter, "_checked_id_token", keep)
    through(client, server)
    [token] = seen
    claims = jwt.decode(token, options={"verify_signature": False})
    request = RequestFactory().get("/")
    adapter = sso_protocol.Adapter(request, server.issuer)
    adapter.nonce = claims["nonce"]

    with context.request_context(request):
        firm: Any = adapter.get_provider()  # type: ignore[no-untyped-call]
        app = firm.app
        assert checked(adapter, app, token)["sub"] == "sub-1"
        head, body, signature = token.split(".")
        forged = [jwt.encode(claims, key, algorithm=name) for key, name in (("", "none"), ("x" * 64, "HS256"))]
        for bad in (*forged, f"{head}.{body}.{'A' * len(signature)}", "", "x.y.z"):
            with pytest.raises(OAuth2Error):
                checked(adapter, app, bad)
        app.client_id = "another"
        with pytest.raises(OAuth2Error):
            checked(adapter, app, token)
        app.client_id = "riskadmin"
        adapter.nonce = ""
        with pytest.raises(OAuth2Error):
            checked(adapter, app, token)


def test_userinfo_about_somebody_else_is_refused(
    client: Client, server: Provider, sue: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sso_protocol.Adapter, "_fetch_user_info", lambda *_: {"sub": "sub-2", "email": "sue@firm.example"})
    assert through(client, server).status_code == 403
    assert not is_signed_in(client)


def test_the_trail_can_not_be_flooded_with_bad_answers(client: Client) -> None:
    for _ in range(15):
        client.get(CALLBACK, {"state": "x", "code": "x"})
    assert Event.objects.filter(tag=Tag.STAFF_SIGN_IN_REFUSED).count() == 10


def test_a_provider_that_is_down_leaves_the_other_ways(client: Client, sue: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: Any, **__: Any) -> None:
        raise requests.ConnectionError

    monkeypatch.setattr(requests.Session, "request", down)
    response = client.post(START, {"next": "/duty/"})

    assert response.status_code == 503
    assert "doesn&#x27;t answer" in response.content.decode() or "doesn&#39;t answer" in response.content.decode()
    assert response.context["form"]["next"].value() == "/duty/"


def test_no_token_of_the_provider_is_stored(client: Client, server: Provider, sue: Staff) -> None:
    through(client, server)
    assert not SocialToken.objects.exists()
    assert set(SocialAccount.objects.get().extra_data["id_token"]) <= {*sso_protocol.KEPT, "groups"}
