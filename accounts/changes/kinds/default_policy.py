"""The rules that policy starts with for a kind, as a migration adds them. From then on the rules in PostgreSQL count."""

from typing import Any

from django.apps.registry import Apps
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import RunPython

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.spec import PolicyDefault

RULES = ("changes", "PolicyRule")
"""The model of rules before policy had versions; migration 0017 makes them its first version."""


class AddDefaultPolicy(RunPython):
    """Adds the rules of a kind's `KindSpec`; none if the kind no longer exists. Without a rule, no one can request a kind."""

    def __init__(self, kind_name: str) -> None:
        self.kind_name = kind_name
        super().__init__(self._add, self._remove)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        """Return how a migration writes it."""
        return self.__class__.__qualname__, [self.kind_name], {}

    @property
    def _rules(self) -> tuple[PolicyDefault, ...]:
        kind = KINDS.get(self.kind_name)
        return kind.spec.policy if kind else ()

    def _add(self, apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
        rules = apps.get_model(*RULES).objects.using(schema_editor.connection.alias)
        for rule in self._rules:
            rules.create(
                kind=self.kind_name,
                at_least_items=rule.at_least_items,
                decisions_needed=rule.decisions_needed,
                decider_role=rule.decider_role.value if rule.decider_role else "",
                note=rule.note,
            )

    def _remove(self, apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
        rules = apps.get_model(*RULES).objects.using(schema_editor.connection.alias)
        for rule in self._rules:
            rules.filter(kind=self.kind_name, environment="", at_least_items=rule.at_least_items).delete()
