"""What the application's role and the auditor's role may do with each table.

A table says it where its model is, with one of the decorators here. One that says nothing is an ordinary table: the application
reads and writes its rows, and the auditor reads them. Tables of other packages are listed at the end; one that isn't listed
there is ordinary for the application and hidden from the auditor, since it may hold secrets.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from django.apps import apps
from django.db import models

M = TypeVar("M", bound=type[models.Model])

OUR_PACKAGES: Final = ("accounts", "riskadmin")


@dataclass(frozen=True, kw_only=True)
class Privileges:
    """What two roles may do with one table. The application's may also read all of it.

    Of `update`, the columns that may be changed; None for each column. `stamped` are columns that only the database fills,
    from their defaults. `hidden` are columns that the auditor can't read; None for the whole table.
    """

    insert: bool = True
    update: Sequence[str] | None = None
    delete: bool = True
    stamped: Sequence[str] = field(default=())
    hidden: Sequence[str] | None = field(default=())

    @property
    def keeps_its_rows(self) -> bool:
        """Whether the application can't remove a row."""
        return not self.delete


ORDINARY: Final = Privileges()
APPEND_ONLY: Final = Privileges(update=(), delete=False)
READ_ONLY: Final = Privileges(insert=False, update=(), delete=False)

_declared: Final[dict[type[models.Model], Privileges]] = {}


def append_only(*, stamped: Sequence[str] = ()) -> Callable[[M], M]:
    """Say of a model that the application only adds rows. It gives no value for `stamped` columns: the database does."""

    def declare(model: M) -> M:
        _declared[model] = replace(_declared.get(model, ORDINARY), update=(), delete=False, stamped=stamped)
        return model

    return declare


def kept(*, changing: Sequence[str] | None = None) -> Callable[[M], M]:
    """Say of a model that the application never deletes a row, and changes these columns only (by default each of them)."""

    def declare(model: M) -> M:
        _declared[model] = replace(_declared.get(model, ORDINARY), update=changing, delete=False)
        return model

    return declare


def never_changed() -> Callable[[M], M]:
    """Say of a model that the application adds and deletes rows, and changes none."""

    def declare(model: M) -> M:
        _declared[model] = replace(_declared.get(model, ORDINARY), update=())
        return model

    return declare


def hidden_from_auditor(*columns: str) -> Callable[[M], M]:
    """Say of a model that the auditor can't read these columns; without any, none of the table."""

    def declare(model: M) -> M:
        _declared[model] = replace(_declared.get(model, ORDINARY), hidden=columns or None)
        return model

    return declare


OF_OTHER_PACKAGES: Final[dict[str, Privileges]] = {
    # Migrations write them, as the owner.
    "django_migrations": READ_ONLY,
    "django_content_type": READ_ONLY,
    "auth_permission": READ_ONLY,
    # The roles that there are. Who has one is in staff_staff_groups.
    "auth_group": READ_ONLY,
    "auth_group_permissions": READ_ONLY,
    "django_session": replace(ORDINARY, hidden=None),
}


def privileges_of(table: str) -> Privileges:
    """Return what is declared about a table, whether or not it belongs to a model."""
    if table in OF_OTHER_PACKAGES:
        return OF_OTHER_PACKAGES[table]
    for model in apps.get_models(include_auto_created=True):
        if model._meta.db_table == table:
            ours = model._meta.app_config.name.split(".")[0] in OUR_PACKAGES
            return _declared.get(model, ORDINARY) if ours else replace(ORDINARY, hidden=None)
    return replace(READ_ONLY, hidden=None)
