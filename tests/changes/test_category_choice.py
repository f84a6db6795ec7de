"""The choice of a risk category: only those that the chosen accounts can be in."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.changes.kinds.risk_category import CategoryForm
from accounts.models import RiskCategory, Source
from tests.changes.pages import new, text_of
from tests.changes.world import make_account, written

pytestmark = pytest.mark.django_db

NEW = new("risk_category")


@pytest.fixture(autouse=True)
def categories() -> dict[str, RiskCategory]:
    """A halting category of the same name in each environment."""
    make_account(1)
    return {
        environment: RiskCategory.objects.create(
            environment=environment, tradovate_id=6, name="Trading Halted", fresh_at=timezone.now(), source=Source.SYNC
        )
        for environment in ("demo", "live")
    }


def offered(form: Any) -> list[str]:
    return [label for value, label in form.fields["category"].choices if value]


@pytest.mark.parametrize("environment", ["demo", "live"])
def test_those_of_the_chosen_environment_are_offered(
    support_client: Client, categories: dict[str, RiskCategory], environment: str
) -> None:
    page = support_client.get(NEW, {"account": f"{environment}:1"})
    form = page.context["parameters_form"]
    assert [each.pk for each in form.fields["category"].queryset] == [categories[environment].pk]
    assert offered(form) == ["Trading Halted"]


def test_one_of_the_other_is_refused_at_the_field(support_client: Client, categories: dict[str, RiskCategory]) -> None:
    page = support_client.get(NEW, {"account": "demo:1", "preview": "1", "category": str(categories["live"].pk)})
    assert (page.status_code, page.context["plan"]) == (422, None)
    assert "accounts can only be in one of their own environment" in text_of(page)
    assert written() == (0, 0, 0, 0)
    right = support_client.get(NEW, {"account": "demo:1", "preview": "1", "category": str(categories["demo"].pk)})
    assert (right.status_code, len(right.context["plan"].sent)) == (200, 1)


def test_where_no_environment_is_known_each_is_named_with_its_own() -> None:
    assert offered(CategoryForm()) == ["Trading Halted (Demo)", "Trading Halted (Live)"]
