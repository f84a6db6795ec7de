"""What a file or list had wrong, as a file to correct; a file of results as a list of accounts; and the pages of both."""

import csv
import io
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.changes.kinds import KINDS
from accounts.changes.models import TargetList
from accounts.changes.targeting.csv_upload import read_csv
from accounts.changes.tracking.results import HEADINGS
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment
from tests.changes.pages import listed, new, text_of, typed
from tests.changes.test_auto_liq_limits import give_cash, give_limits
from tests.changes.test_csv_cases import CASES
from tests.changes.world import ask, make_account, make_accounts, make_trader, written

pytestmark = pytest.mark.django_db

Sent = list[tuple[str, list[int], str]]
NOTHING = (0, 0, 0, 0)
LIMITS = "auto_liq_limits"


def upload(client: Client, content: bytes, kind: str = LIMITS, **fields: str) -> Any:
    file = SimpleUploadedFile("limits.csv", content, "text/csv")
    address = reverse("changes:name_targets", args=[kind])
    return client.post(address, {"how": "csv", "environment": "demo", "file": file, **fields})


def downloaded(client: Client, list_id: object) -> list[dict[str, str]]:
    response = client.get(reverse("changes:refused_rows", args=[list_id]))
    assert (response.status_code, response["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert response["Content-Disposition"] == 'attachment; filename="refused-rows.csv"'
    return list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"), newline="")))


def corrected(rows: list[dict[str, str]], **by_line: dict[str, str]) -> bytes:
    """The downloaded file with some cells filled in otherwise, saved again."""
    written_again = io.StringIO()
    writer = csv.DictWriter(written_again, rows[0])
    writer.writeheader()
    writer.writerows({**row, **by_line.get(f"line{row['line in the file']}", {})} for row in rows)
    return written_again.getvalue().encode("utf-8-sig")


class TestDownload:
    def test_rows_come_back_as_they_stood_with_what_is_wrong_and_can_be_uploaded_again(
        self, support_client: Client, support: Staff
    ) -> None:
        make_accounts([1, 2, 3])
        content = (
            "Account;Daily loss: auto-liquidation;Owner\n1;1500,50;Ana\n2;1.500;=1+1\n404;1600;Jörg\n3;900;Kim\n3;901;Kim\n"
        )
        response = upload(support_client, content.encode(), ignore_unknown="on")
        first = TargetList.objects.get()
        assert response["Location"] == f"{new(LIMITS)}?targets={first.pk}"
        address = reverse("changes:refused_rows", args=[first.pk])
        assert f'href="{address}"' in text_of(support_client.get(f"{response['Location']}&tab=left_out"))

        rows = downloaded(support_client, first.pk)
        said = "daily_loss_auto_liq_usd: Bad value: 1.500 can mean 1500 or 1.5. Write 1500 or 1.5."
        assert rows == [
            {
                "Account": account,
                "Daily loss: auto-liquidation": amount,
                "Owner": owner,
                "line in the file": line,
                "what is wrong": wrong,
            }
            for account, amount, owner, line, wrong in (
                ("2", "1.500", "'=1+1", "3", said),
                ("404", "1600", "Jörg", "4", "account: Unknown: No account has this id or name"),
                ("3", "900", "Kim", "5", "account: Contradicts another row: Says otherwise than line 6. Keep one of them"),
                ("3", "901", "Kim", "6", "account: Contradicts another row: Says otherwise than line 5. Keep one of them"),
            )
        ]

        again = corrected(rows[:1], line3={"Daily loss: auto-liquidation": "1500"})
        upload(support_client, again, ignore_unknown="on")
        second = TargetList.objects.exclude(pk=first.pk).get()
        assert (second.ids, second.problems) == ([2], [])
        assert second.parameters["daily_loss_auto_liq_usd"] == "1500"
        assert second.notes == [{"line": 1, "words": "Columns that were ignored: Owner."}]

    def test_a_pasted_list_comes_back_by_its_lines(self, support_client: Client, support: Staff) -> None:
        make_accounts([1])
        list_id = listed(support, "1 - please lock asap\nNOBODY")
        assert downloaded(support_client, list_id) == [
            {
                "account": "'- please lock asap",
                "line in the file": "1",
                "what is wrong": "Not understood: No account's id or name. Remove it, or leave it out on purpose; accounts beside it stay chosen",
            },
            {
                "account": "NOBODY",
                "line in the file": "2",
                "what is wrong": "Unknown: No account has this id or name",
            },
        ]

    def test_bytes_that_nothing_can_keep_are_shown_as_such(self, support_client: Client, support: Staff) -> None:
        make_accounts([1])
        upload(support_client, b"account\n1\nJos\xe9\nx\x00y\n", kind="lock")
        assert [row["account"] for row in downloaded(support_client, TargetList.objects.get().pk)] == [
            "José",
            "x\N{REPLACEMENT CHARACTER}y",
        ]

    def test_it_is_ones_own_list_and_one_with_problems(self, client: Client, support_client: Client, supervisor: Staff) -> None:
        make_accounts([1])
        others = listed(supervisor, "1\nNOBODY")
        fine = listed(Staff.objects.get(username="support"), "1")
        for list_id in (others, fine, uuid4()):
            assert support_client.get(reverse("changes:refused_rows", args=[list_id])).status_code == 404


class TestNothingTaken:
    """Every row has errors: the reasons come at once, and nothing is to be filled in for 0 accounts."""

    @pytest.mark.parametrize(
        ("name", "count", "said"),
        [
            ("csv09", "All 5 rows", "If this is the whole number, write 1500."),
            ("csv18", "The only row", "the file is not UTF-8"),
            ("csv31", "All 2 rows", "Write it with the digits 0 to 9"),
            ("csv33", "All 2 rows", "Write"),
        ],
    )
    def test_the_reasons_come_at_once(self, support_client: Client, name: str, count: str, said: str) -> None:
        for number in (1, 3, 6, 8, 9):
            make_account(4200000 + number, name=f"KTR25K-{number:06}")
        (path,) = CASES.glob(f"{name}_*")
        page = support_client.get(upload(support_client, path.read_bytes())["Location"])
        shown = text_of(page)
        assert page.status_code == 200
        assert f"{count} can't be used, so there is nothing to change." in shown
        assert said in shown
        assert "What stands there" in shown
        assert f'href="{reverse("changes:name_targets", args=[LIMITS])}"' in shown
        assert reverse("changes:refused_rows", args=[TargetList.objects.get().pk]) in shown
        for nothing in ("0 accounts", "Show what would happen", "daily_loss_alert_usd", "is skipped", "Nothing would happen"):
            assert nothing not in shown

    def test_what_is_sent_all_the_same_is_refused(self, support_client: Client, support: Staff) -> None:
        upload(support_client, b"account\n404\n")
        form = {"targets": str(TargetList.objects.get().pk), "daily_loss_alert_usd": "5", "reason_code": "Other"}
        answer = support_client.post(new(LIMITS), form)
        assert answer.status_code == 422
        assert "No account has this id or name" in text_of(answer)
        assert written() == NOTHING

    def test_errors_are_shown_below_while_values_are_still_missing(self, support_client: Client) -> None:
        make_accounts([1])
        page = support_client.get(upload(support_client, b"account\n1\n404\n")["Location"])
        shown = text_of(page)
        assert "Show what would happen" in shown
        assert "No account has this id or name" in shown
        assert "1 row of the list can't be used." in shown
        assert "there is nothing to change" not in shown

    def test_more_than_a_page_of_errors_is_paged(self, support_client: Client) -> None:
        at = upload(support_client, "\n".join(["account", *(f"NOBODY{n}" for n in range(250))]).encode())["Location"]
        assert "NOBODY99<" in text_of(support_client.get(at))
        second = text_of(support_client.get(f"{at}&page=2"))
        assert "NOBODY99<" not in second
        assert "NOBODY199<" in second

    def test_a_copy_is_chosen_again_as_a_copy(self, support_client: Client, support: Staff) -> None:
        make_accounts([1])
        change = ask(support, "lock", 1)
        page = support_client.get(upload(support_client, b"account\n404\n", kind="lock", copy_of=str(change.pk))["Location"])
        assert f"{reverse('changes:name_targets', args=['lock'])}?copy_of={change.pk}" in text_of(page)


class TestPages:
    def test_nothing_is_submitted_until_what_was_not_understood_is_left_out_on_purpose(
        self, support_client: Client, support: Staff
    ) -> None:
        make_accounts([1])
        page = support_client.get(new("lock"), {"targets": listed(support, "1 - please do not lock")})
        assert support_client.post(new("lock"), typed(page)).status_code == 422
        assert written() == NOTHING
        assert support_client.post(new("lock"), typed(page, leave_out="on")).status_code == 303

    def test_notes_are_shown_above_the_plan_and_need_nothing(self, support_client: Client, support: Staff, sent: Sent) -> None:
        make_account(1, name="TWIN")
        make_account(2, name="TWIN", archived=True)
        page = support_client.get(new("lock"), {"targets": listed(support, "TWIN\n1")})
        shown = text_of(page)
        assert "2 notes on how the list was read" in shown
        assert "Line 1: TWIN is also the name of 2, archived or closed; the open account 1 was taken." in shown
        assert "Line 2: 1: the same as line 1; it counts once." in shown
        assert support_client.post(new("lock"), typed(page)).status_code == 303

    def test_an_unknown_column_is_refused_with_the_box_that_ignores_it(self, support_client: Client) -> None:
        make_accounts([1])
        response = upload(support_client, b"account,owner\n1,Ana\n", kind="lock")
        assert response.status_code == 422
        assert response.context["file_form"].errors == {
            "file": [
                "Line 1: there is no column “owner” here (this change has no parameters of single rows).",
                "Remove the columns that are not needed, or tick “Ignore columns with other headings”.",
            ]
        }
        assert "Ignore columns with other headings" in text_of(response)
        assert not TargetList.objects.exists()
        assert upload(support_client, b"account,owner\n1,Ana\n", kind="lock", ignore_unknown="on").status_code == 303
        assert TargetList.objects.get().ids == [1]

    def test_a_percentage_that_is_a_fraction_is_warned_of_on_the_plan(self, support_client: Client) -> None:
        account = make_account(4200001, name="KTR25K-000001")
        give_limits(account)
        give_cash(account, cash="156853", start="156853")
        response = upload(support_client, b"account,daily_loss_auto_liq_pct\n4200001,0.02\n")
        assert "0.02% of $156,853.00 is $31.37" in text_of(support_client.get(response["Location"]))


class TestResults:
    """The file of what came of a change, uploaded to ask for something for the same accounts."""

    def results_of(self, client: Client, person: Staff, kind: str, *ids: int) -> bytes:
        change = ask(person, kind, *ids)
        return client.get(reverse("changes:results", args=[change.pk])).getvalue()

    def test_its_accounts_are_taken_directly(self, support_client: Client, support: Staff, sent: Sent) -> None:
        make_account(101, name="=HYPERLINK(1)")
        make_account(102)
        content = self.results_of(support_client, support, "lock", 101, 102)
        saved_in_german = io.StringIO()
        rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        csv.writer(saved_in_german, delimiter=";").writerows(rows)
        for again in (content, saved_in_german.getvalue().encode("utf-8-sig")):
            chosen = read_csv(KINDS["unlock"], Environment.DEMO, again, filename="change-1.csv")
            assert (chosen.ids, chosen.problems) == ((101, 102), ())
            assert [(each.line, each.words) for each in chosen.notes] == [
                (1, "This is a file of results: only its ids and names are read, not what came of the earlier change.")
            ]

    def test_values_may_accompany_them(self, support_client: Client, support: Staff, sent: Sent) -> None:
        make_accounts([101])
        head, row = self.results_of(support_client, support, "lock", 101).decode("utf-8-sig").splitlines()
        content = f"{head},daily_loss_auto_liq_usd\n{row},1500\n".encode()
        chosen = read_csv(KINDS[LIMITS], Environment.DEMO, content, filename="x.csv")
        assert (chosen.ids, chosen.parameters["daily_loss_auto_liq_usd"], chosen.problems) == ((101,), "1500", ())

    def test_those_of_another_environment_or_of_traders_are_refused(
        self, support_client: Client, support: Staff, sent: Sent
    ) -> None:
        make_accounts([101])
        make_account(101, environment="live")
        make_trader(101, "kim")
        content = self.results_of(support_client, support, "lock", 101)
        elsewhere = read_csv(KINDS["lock"], Environment.LIVE, content, filename="x.csv")
        assert (elsewhere.ids, [(each.column, each.value, each.reason) for each in elsewhere.problems]) == (
            (),
            [("environment", "demo", "This row is about demo, and live was chosen. Upload it there, or leave it out")],
        )
        traders = read_csv(KINDS["user_lockout"], Environment.DEMO, content, filename="x.csv")
        assert (traders.ids, [(each.column, each.value, each.reason) for each in traders.problems]) == (
            (),
            [("target", "account", "This row is about account, and trader was chosen. Upload it there, or leave it out")],
        )

    def test_an_account_that_has_another_name_by_now_is_shown(self, support_client: Client, support: Staff, sent: Sent) -> None:
        account = make_account(101)
        content = self.results_of(support_client, support, "lock", 101)
        account.name = "RENAMED"
        account.save()
        chosen = read_csv(KINDS["lock"], Environment.DEMO, content, filename="x.csv")
        assert (chosen.ids, [(each.line, each.column, each.value) for each in chosen.problems]) == (
            (),
            [(2, "name", "KTR50K-000101")],
        )

    @pytest.mark.parametrize("name", KINDS)
    def test_no_parameter_has_the_heading_of_a_result(self, name: str) -> None:
        form = KINDS[name].parameters_form
        assert not set(form().fields if form else ()) & {heading.replace(" ", "_") for heading in HEADINGS}
