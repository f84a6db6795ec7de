"""Confirm a request for rights on the server: for a firm that has no second administrator."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from riskadmin.audit.commands import OperatorCommand
from riskadmin.staff.people.models import RightsRequest
from riskadmin.staff.people.rights import MoreToRead, NotAllowed, confirm, others_who_may_confirm, waiting
from riskadmin.staff.people.sign_in_history import facts_about


class Command(OperatorCommand):
    """`manage.py confirm_rights [REQUEST] --operator NAME`."""

    help = "List the requests for rights that wait, or confirm one that no other administrator can confirm."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the number of the request."""
        parser.add_argument("request", type=int, nargs="?", help="its number; without, all that wait are listed")
        parser.add_argument("--newest-read", type=int, default=0, help="the number of the last line read about their sign-in")

    def handle(self, *_: Any, **options: Any) -> None:
        """Confirm it, unless there is another administrator who can."""
        if options["request"] is None:
            for each in waiting():
                self.stdout.write(
                    f"{each.pk}: {each.what}, {each.person.username} (by {each.requested_by_name}: {each.reason})"
                )
                self._write_facts(each)
            return
        request = RightsRequest.objects.filter(pk=options["request"]).first()
        if request is None:
            raise CommandError(f"There is no request {options['request']}.")
        if others := others_who_may_confirm(request):
            names = ", ".join(each.username for each in others)
            raise CommandError(f"Another administrator can confirm this on the page People: {names}.")
        self._write_facts(request)
        try:
            newest_read = options["newest_read"]
            confirmed = confirm(self.operator, origin=self.origin, request_id=request.pk, newest_read=newest_read)
        except MoreToRead as refused:
            raise CommandError(f"{refused} Then add --newest-read {refused.newest}.") from refused
        except NotAllowed as refused:
            raise CommandError(str(refused)) from refused
        self.stdout.write(f"Confirmed for {request.person.username}: {request.what}.")
        if confirmed.link:
            self.stdout.write(confirmed.link.url or f"The link is sent to {request.person.email}.")

    def _write_facts(self, request: RightsRequest) -> None:
        for fact in facts_about(request.person):
            self.stdout.write(f"    {fact.event}, {fact.at:%Y-%m-%d %H:%M} UTC: {fact.words}")
