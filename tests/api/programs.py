"""Programs for tests of the API: a client with a token."""

from datetime import timedelta
from typing import Any

from django.test import Client

from riskadmin.audit.origin import Origin
from riskadmin.staff.models import Staff
from riskadmin.staff.tokens.actions import make_token
from riskadmin.staff.tokens.models import Scope


class Program:
    """Sends requests to the API with a token of a person."""

    def __init__(self, person: Staff, scope: Scope = Scope.REQUEST) -> None:
        self.token, self.secret = make_token(
            actor=person, origin=Origin(job="tests"), name="on-call", scope=scope, lasts=timedelta(days=1)
        )
        self.client = Client(headers={"Authorization": f"Bearer {self.secret}"})

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(f"/api/v1{path}", query)

    def post(self, path: str, sent: object) -> Any:
        return self.client.post(f"/api/v1{path}", sent, content_type="application/json")
