"""A passkey in software: what a browser would answer, without a browser."""

import json
from hashlib import sha256
from typing import Any

from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.models import Authenticator
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import Aaguid, AttestationObject, AttestedCredentialData, AuthenticatorData

from riskadmin.staff.models import Staff

HOST = "testserver"
VERIFIED = AuthenticatorData.FLAG.UP | AuthenticatorData.FLAG.UV


class SoftPasskey:
    """A person's passkey for the test server, stored as their own."""

    def __init__(self, person: Staff, name: str = "Laptop") -> None:
        self._key = generate_private_key(SECP256R1())
        self._id = sha256(f"{person.pk} {name}".encode()).digest()
        self._handle = websafe_encode(user_pk_to_url_str(person).encode())
        key = ES256.from_cryptography_key(self._key.public_key())  # type: ignore[no-untyped-call]
        public = AttestedCredentialData.create(Aaguid.NONE, self._id, key)
        flags = VERIFIED | AuthenticatorData.FLAG.AT
        made = AttestationObject.create("none", AuthenticatorData.create(self._rp, flags, 0, public), {})
        response = {
            "clientDataJSON": websafe_encode(self._client_data("webauthn.create", "AA")),
            "attestationObject": websafe_encode(made),
        }
        data = {"name": name, "credential": self._credential(response)}
        self.stored = Authenticator.objects.create(user=person, type=Authenticator.Type.WEBAUTHN, data=data)

    def answer(self, options: dict[str, Any]) -> str:
        """Answer what a page asks the browser for a passkey with, as the browser's form field has it."""
        client_data = self._client_data("webauthn.get", options["publicKey"]["challenge"])
        about = AuthenticatorData.create(self._rp, VERIFIED, 1)
        signature = self._key.sign(bytes(about) + sha256(client_data).digest(), ECDSA(SHA256()))
        response = {
            "clientDataJSON": websafe_encode(client_data),
            "authenticatorData": websafe_encode(about),
            "signature": websafe_encode(signature),
            "userHandle": self._handle,
        }
        return json.dumps(self._credential(response))

    @property
    def _rp(self) -> bytes:
        return sha256(HOST.encode()).digest()

    def _client_data(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": f"https://{HOST}", "crossOrigin": False}).encode()

    def _credential(self, response: dict[str, str]) -> dict[str, Any]:
        name = websafe_encode(self._id)
        return {"id": name, "rawId": name, "type": "public-key", "response": response, "clientExtensionResults": {}}
