"""OpenID Connect by allauth, with what the standard leaves to the client: nonce, signature, and one subject in all answers."""

import hmac
import secrets
from datetime import UTC, datetime
from typing import Any, Final

import jwt
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.base.constants import AuthProcess
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

PROVIDER: Final = "openid_connect"
SIGNED_WITH: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
"""The algorithms that an ID token may be signed with: those with a public key."""
CLOCKS_DIFFER_S: Final = 60
AUTH_TIME: Final = "auth_time"
KEPT: Final = ("sub", "preferred_username", "email", "email_verified", "given_name", "family_name", "amr", "acr", AUTH_TIME)
"""The claims that are used, and stored with the link; and the one with the groups."""
PROOF: Final = "proof_begun_at"
"""In the state of what was sent to the provider: when somebody who is signed in began to confirm there who they are."""


class WrongAnswer(OAuth2Error):
    """The provider's answer is not to our question. The text quotes nothing of it."""


class Adapter(OpenIDConnectOAuth2Adapter):
    """Checks the answers of the identity provider."""

    nonce = ""

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:  # noqa: ARG002  (allauth passes it)
        """Return the address that the provider sends people back to, under PUBLIC_URL: it is registered there."""
        return settings.PUBLIC_URL + reverse("sign_in:sso_callback")

    def complete_login(self, request: HttpRequest, app: SocialApp, token: SocialToken, **kwargs: Any) -> SocialLogin:
        """Return the identity that the provider has proven. Raises WrongAnswer for an answer that is not to our question."""
        id_token = self._checked_id_token(app, kwargs["response"].get("id_token") or "")
        found = self._fetch_user_info(token.token)
        if found.get("sub") != id_token["sub"]:
            raise WrongAnswer("userinfo is about somebody else than the ID token")
        found.pop(AUTH_TIME, None)  # it counts only in the ID token, which is the answer to this question
        claims = {**found, **id_token}
        kept = {name: claims[name] for name in (*KEPT, settings.SSO_GROUPS_CLAIM) if name in claims}
        provider: Any = self.get_provider()  # type: ignore[no-untyped-call]
        login: SocialLogin = provider.sociallogin_from_response(request, {"id_token": kept})
        return login

    def _checked_id_token(self, app: SocialApp, id_token: str) -> dict[str, Any]:
        """Return the claims of an ID token that the provider has signed, for this client and this sign-in."""
        if self.openid_config["issuer"] != settings.SSO_ISSUER:
            raise WrongAnswer("the provider's description names another issuer than SSO_ISSUER")
        try:
            header = jwt.get_unverified_header(id_token)
            if header.get("alg") not in SIGNED_WITH:
                raise WrongAnswer("the ID token is not signed with a public key")
            found = self._decoded(app, id_token, self._keys(header.get("kid")), str(header["alg"]))
        except jwt.PyJWTError as error:
            raise WrongAnswer(f"the ID token is not valid: {type(error).__name__}") from error
        if not found["sub"]:
            raise WrongAnswer("the ID token names no one")
        if found.get("azp", app.client_id) != app.client_id:
            raise WrongAnswer("the ID token was made for another client")
        if not self.nonce or not hmac.compare_digest(str(found.get("nonce", "")), self.nonce):
            raise WrongAnswer("the ID token is not for this sign-in")
        return found

    def _keys(self, name: str | None) -> list[jwt.PyJWK]:
        """Return the provider's key with this name; all of them if the token names none, as it may if there is only one."""
        connection: Any = get_adapter().get_requests_session()  # type: ignore[no-untyped-call]
        with connection as session:
            response = session.get(self.openid_config["jwks_uri"])
            response.raise_for_status()
        keys = jwt.PyJWKSet.from_dict(response.json()).keys
        return [key for key in keys if name is None or key.key_id == name]

    def _decoded(self, app: SocialApp, id_token: str, keys: list[jwt.PyJWK], algorithm: str) -> dict[str, Any]:
        for key in keys:
            try:
                return jwt.decode(
                    id_token,
                    key.key,
                    algorithms=[algorithm],
                    issuer=self.openid_config["issuer"],
                    audience=app.client_id,
                    leeway=CLOCKS_DIFFER_S,
                    options={"require": ["exp", "iat", "iss", "aud", "sub"]},
                )
            except (jwt.InvalidSignatureError, jwt.InvalidKeyError, TypeError):
                continue  # signed with another of the keys, or of another kind
        raise WrongAnswer("none of the provider's keys has signed the ID token")


class CallbackView(OAuth2CallbackView):
    """Takes the nonce of this sign-in from its state, which works once and belongs to this session."""

    adapter: Adapter

    def _get_state(self, request: HttpRequest, provider: Any) -> tuple[dict[str, Any] | None, HttpResponse | None]:
        state, response = super()._get_state(request, provider)
        if state is not None:
            self.adapter.nonce = str((state.get("data") or {}).get("nonce", ""))
        return state, response


def start(request: HttpRequest, *, to: str, is_proof: bool = False) -> HttpResponse:
    """Return a page that goes on to the provider at once, and from there to `to`.

    With `is_proof`, somebody who is signed in confirms who they are: the provider has to ask them, even if it knows them, and
    to say when it did. Raises requests.RequestException when the provider doesn't answer.
    """
    nonce = secrets.token_urlsafe(24)
    asked = {"prompt": "login", "max_age": "0"} if is_proof else {}
    proof = {PROOF: timezone.now().timestamp()} if is_proof else {}
    provider = get_adapter().get_provider(request, provider=PROVIDER)
    provider.oauth2_adapter_class = Adapter
    answer: HttpResponse = provider.redirect(
        request,
        process=AuthProcess.LOGIN,
        next_url=to,
        data={"nonce": nonce, **proof},
        auth_params={"nonce": nonce, **asked},
    )
    if not isinstance(answer, HttpResponseRedirect):
        return answer
    # Not the redirect itself: browsers let a form lead to no address that `form-action` of the page's policy does not name.
    return render(request, "staff/sign_in/sso_leave.html", {"address": answer.url, "sso_name": settings.SSO_NAME})


def proof_begun_at(state: dict[str, Any] | None) -> datetime | None:
    """Return when the proof began that somebody was sent to the provider for; None if it was for signing in."""
    begun_at = ((state or {}).get("data") or {}).get(PROOF)
    return None if begun_at is None else datetime.fromtimestamp(begun_at, tz=UTC)


def finish(request: HttpRequest) -> HttpResponse:
    """Return the answer to somebody whom the provider has sent back."""
    provider_id = get_adapter().get_provider(request, provider=PROVIDER).app.provider_id
    view: Any = CallbackView.adapter_view(Adapter(request, provider_id))  # type: ignore[no-untyped-call]
    answer: HttpResponse = view(request)
    return answer
