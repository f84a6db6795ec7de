"""The filters of the accounts page. A change's targets may be chosen by them, too."""

from functools import cache, partial
from typing import Any

import django_filters
from django import forms
from django.db.models import QuerySet

from accounts.access.queries import visible_accounts
from accounts.models import Account, EnvironmentChoice
from accounts.models.status import AccountStatus, account_status_q
from accounts.pages import queries
from accounts.pages.queries import Attention
from riskadmin.staff.models import Staff
from riskadmin.web.lists.filters import Choices, ListFilters, SelectFilter

Accounts = QuerySet[Account]


def _categories(viewer: Staff | None) -> Choices:
    categories = queries.categories(viewer)
    return [("", "Any"), *((each.pk, each.choice_label) for each in categories)]


class CategoryFilter(django_filters.Filter):
    """A risk category, by its number here."""

    field_class = forms.TypedChoiceField


class AccountFilters(ListFilters):
    """Each is a parameter of the page's address."""

    q = django_filters.CharFilter(
        label="Search",
        method="search",
        max_length=64,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": "Name, Tradovate id, trader or e-mail"}),
    )
    environment = SelectFilter(label="Environment", choices=[("", "Any"), *EnvironmentChoice.choices])
    status = SelectFilter(label="Status", method="of_status", choices=[("", "Any"), *AccountStatus.choices])
    category = CategoryFilter(label="Risk category", field_name="risk_category", coerce=int, empty_value=None)
    attention = SelectFilter(label="Needs attention", method="of_attention", choices=[("", "All accounts"), *Attention.choices])

    class Meta:
        model = Account
        fields: list[str] = []

    def __init__(self, data: Any, *, viewer: Staff | None = None) -> None:
        """Take the parameters of an address. Accounts are those that `viewer` has access to."""
        super().__init__(data, visible_accounts(Account.objects.all(), viewer))
        # Choices are read once, so they are made for each viewer.
        self.filters["category"].extra["choices"] = cache(partial(_categories, viewer))

    _leaves_out_traders = False

    @property
    def is_cut(self) -> bool:
        """Whether the search met too many traders to consider each."""
        return self.qs is not None and self._leaves_out_traders

    def search(self, rows: Accounts, _: str, text: str) -> Accounts:
        """Return accounts whose name, id, trader or trader's e-mail the text is a part of."""
        condition, self._leaves_out_traders = queries.search_q(text)
        return rows.filter(condition)

    def of_status(self, rows: Accounts, _: str, status: str) -> Accounts:
        """Return accounts that have a status now."""
        return rows.filter(account_status_q(AccountStatus(status)))

    def of_attention(self, rows: Accounts, _: str, attention: str) -> Accounts:
        """Return accounts that someone should look at."""
        return rows.filter(queries.attention_q(Attention(attention)))

    def words(self) -> list[str]:
        """Return what is filtered by, in words, as a change tells where its targets are from."""
        said: dict[str, Any] = self.form.cleaned_data
        words = [f"“{said['q']}”" if said["q"] else "", self._label("environment").lower(), self._label("status").lower()]
        if said["category"] is not None:
            words.append(f"category {queries.category_label(said['category'])}")
        return [each for each in (*words, self._label("attention").lower()) if each]

    def _label(self, name: str) -> str:
        wanted = self.form.cleaned_data[name]
        return str(dict(self.filters[name].extra["choices"])[wanted]) if wanted else ""
