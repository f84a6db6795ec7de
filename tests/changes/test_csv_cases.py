"""Files as Excel, LibreOffice, Google Sheets and people write them, byte by byte, with what becomes of each."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import time_machine

from accounts.changes.kinds import KINDS
from accounts.changes.targeting.csv_table import SAVE_AS, Unreadable
from accounts.changes.targeting.csv_upload import read_csv
from accounts.changes.targeting.targets import TargetSelection
from riskadmin.tradovate.vocabulary import Environment
from tests.changes.world import make_account

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("error")]

CASES = Path(__file__).parent / "cases"
OPEN = (4200001, 4200003, 4200006, 4200008, 4200009, 4200011, 4200013)
NOT_UTF8 = f"Not every letter of it can be read: the file is not UTF-8. {SAVE_AS}"
SHORTENED = "Spreadsheets shorten numbers in this way, and digits may be lost. Write all of them."
HOW_USD = "Write dollars in digits, with a point before the cents: 1500 or 1500.50."
ZERO = "Write an amount above 0. A limit can't be taken away here."
USD, PCT = "daily_loss_auto_liq_usd", "daily_loss_auto_liq_pct"

Said = tuple[int, str, str, str, str]


@pytest.fixture(autouse=True)
def accounts() -> None:
    """The accounts that the files name: open ones, an archived and a closed one."""
    for number in OPEN:
        make_account(number, name=f"KTR25K-{number - 4200000:06}")
    make_account(4200005, name="KTR25K-000005", archived=True)
    make_account(4200040, name="KTR25K-000040", archived=True, closed=True)


def read(content: bytes, **how: Any) -> TargetSelection:
    return read_csv(KINDS["auto_liq_limits"], Environment.DEMO, content, filename="limits.csv", **how)


def case(name: str) -> TargetSelection:
    (path,) = CASES.glob(f"{name}_*")
    return read(path.read_bytes())


def values(chosen: TargetSelection, column: str = USD) -> dict[int, Any]:
    """Return what a column sets for each target that has it."""
    every = {target_id: {**chosen.parameters, **chosen.per_target.get(target_id, {})} for target_id in chosen.ids}
    return {target_id: each[column] for target_id, each in every.items() if column in each}


def reported(chosen: TargetSelection) -> list[Said]:
    return [(each.line, each.column, each.value, each.fault.value, each.reason) for each in chosen.problems]


def noted(chosen: TargetSelection) -> list[tuple[int, str]]:
    return [(each.line, each.words) for each in chosen.notes]


def refused(content: bytes, **how: Any) -> tuple[str, ...]:
    with pytest.raises(Unreadable) as caught:
        read(content, **how)
    return caught.value.reasons


class TestCases:
    """The collected files, each as it is."""

    @pytest.mark.parametrize(
        ("name", "taken"),
        [
            ("csv01", {4200001: "1500", 4200003: "1600"}),
            ("csv02", {4200001: "1500.5", 4200003: "1600"}),
            ("csv04", {4200001: "1200", 4200003: "1500", 4200006: "900", 4200008: "900"}),
            ("csv11", {4200001: "1500", 4200003: "1600", 4200006: "1700"}),
            ("csv15", {4200001: "1500"}),
            ("csv16", {4200001: "1500"}),
            ("csv22", {4200001: "1500"}),
            ("csv25", {4200001: "1500"}),
        ],
    )
    def test_what_has_one_meaning_is_taken(self, name: str, taken: dict[int, str]) -> None:
        chosen = case(name)
        assert (values(chosen), reported(chosen), noted(chosen)) == (taken, [], [])
        assert chosen.ids == tuple(taken)

    def test_03_a_point_before_three_digits(self) -> None:
        chosen = case("csv03")
        assert reported(chosen) == [(2, USD, "1.500", "Bad value", "1.500 can mean 1500 or 1.5. Write 1500 or 1.5.")]
        # No percentage can be 1500, so this one means one and a half.
        assert (values(chosen, PCT), values(chosen)) == ({4200003: "1.5"}, {4200006: "1.5"})

    def test_06_percentages_are_read_as_percentages(self) -> None:
        chosen = case("csv06")
        assert (values(chosen, PCT), reported(chosen)) == ({4200001: "0.02", 4200003: "0.8", 4200011: "0.02"}, [])

    def test_09_numbers_that_are_shortened_or_none(self) -> None:
        chosen = case("csv09")
        assert chosen.ids == ()
        assert reported(chosen) == [
            (2, USD, "1.5E+03", "Bad value", f"{SHORTENED} If this is the whole number, write 1500."),
            (3, USD, "1E+15", "Bad value", SHORTENED),
            (4, USD, "NaN", "Bad value", HOW_USD),
            (5, USD, "-0", "Bad value", ZERO),
            (6, USD, "1e999999999", "Bad value", SHORTENED),
        ]

    def test_11_cells_that_are_left_out_leave_values_as_they_are(self) -> None:
        assert values(case("csv11"), "do_not_unlock") == {4200001: True}

    def test_13_blank_lines_count_and_say_nothing(self) -> None:
        chosen = case("csv13")
        assert (values(chosen), reported(chosen)) == ({4200001: "1500"}, [(8, USD, "oops", "Bad value", HOW_USD)])

    def test_14_the_same_heading_twice(self) -> None:
        with pytest.raises(Unreadable) as caught:
            case("csv14")
        assert caught.value.reasons == (f"Line 1: the column “{USD}” comes twice. Keep one of them.",)

    def test_18_letters_of_an_unknown_encoding(self) -> None:
        chosen = case("csv18")
        assert (chosen.ids, reported(chosen)) == ((), [(2, "account", "KTR25K\N{EN DASH}000001", "Bad value", NOT_UTF8)])

    def test_20_yes_and_no(self) -> None:
        chosen = case("csv20")
        assert values(chosen, "do_not_unlock") == {
            4200001: True,
            4200003: False,
            4200006: True,
            4200008: True,
            4200009: True,
        }
        assert reported(chosen) == []

    @time_machine.travel(datetime(2026, 11, 29, 12, tzinfo=UTC), tick=False)
    def test_26_times(self) -> None:
        chosen = case("csv26")
        assert values(chosen, "flatten_at") == dict.fromkeys((4200001, 4200003, 4200013), "2026-12-01T21:10:00+00:00")
        assert reported(chosen) == [
            (
                4,
                "flatten_at",
                "12/1/2026 15:10",
                "Bad value",
                (
                    "12/1/2026 15:10 does not say which number is the month. "
                    "Write year, month, day and time, such as 2026-12-31T15:10."
                ),
            ),
            (
                5,
                "flatten_at",
                "2027-03-14T02:30",
                "Bad value",
                (
                    "This time does not exist: the clocks of America/Chicago skip it on 2027-03-14. "
                    "Write another, such as 2027-03-14T03:30."
                ),
            ),
            (
                6,
                "flatten_at",
                "2027-11-07T01:30",
                "Bad value",
                (
                    "This time comes twice: the clocks of America/Chicago are set back on 2027-11-07. "
                    "Choose another hour, or in a file write 2027-11-07T01:30-05:00 for the first "
                    "or 2027-11-07T01:30-06:00 for the second."
                ),
            ),
        ]

    def test_28_accounts_that_are_gone_unknown_or_named_twice(self) -> None:
        chosen = case("csv28")
        assert values(chosen) == {4200001: "1500"}
        assert reported(chosen) == [
            (2, "account", "4200040", "Archived or closed", "This account is archived or closed"),
            (3, "account", "4200005", "Archived or closed", "This account is archived or closed"),
            (4, "account", "999", "Unknown", "No account has this id or name"),
            (7, "account", "4200003", "Contradicts another row", "Says otherwise than line 8. Keep one of them"),
            (8, "account", "4200003", "Contradicts another row", "Says otherwise than line 7. Keep one of them"),
        ]
        assert noted(chosen) == [(6, "4200001: the same as line 5; it counts once.")]

    def test_29_a_workbook_under_another_name(self) -> None:
        with pytest.raises(Unreadable) as caught:
            case("csv29")
        assert caught.value.reasons == (
            f"This is an Excel, LibreOffice or Numbers workbook, not a CSV file, whatever its name ends in. {SAVE_AS}",
        )

    def test_31_wide_digits(self) -> None:
        chosen = case("csv31")
        assert chosen.ids == ()
        assert reported(chosen) == [
            (
                2,
                "account",
                "\uff14\uff12\uff10\uff10\uff10\uff10\uff11",
                "Unknown",
                "No account has this id or name. Write it with the digits 0 to 9: 4200001",
            ),
            (3, USD, "\uff11\uff15\uff10\uff10", "Bad value", "Write it with the digits 0 to 9: 1500."),
        ]

    def test_32_signs_between_and_before_digits(self) -> None:
        chosen = case("csv32")
        assert reported(chosen) == [(2, USD, "1_500", "Bad value", "Write it without _ between the digits: 1500.")]
        assert values(chosen) == {4200003: "1500", 4200006: "1500"}

    def test_33_a_true_minus_and_an_apostrophe(self) -> None:
        chosen = case("csv33")
        assert chosen.ids == ()
        assert reported(chosen) == [
            (2, USD, "\N{MINUS SIGN}1500", "Bad value", ZERO),
            (3, USD, "1\u20191500", "Bad value", "Write it without \u2019 between the digits."),
        ]


class TestTables:
    """What spreadsheets do to the table itself."""

    @pytest.mark.parametrize(
        "content",
        [
            "account,daily_loss_auto_liq_usd\r4200001,1500\r",
            "account,daily_loss_auto_liq_usd\r\n4200001,1500\n\r\n",
            "sep=;\r\naccount;daily_loss_auto_liq_usd\r\n4200001;1500\r\n",
            '"sep=;"\r\naccount;daily_loss_auto_liq_usd\r\n4200001;1500\r\n',
            "account|daily_loss_auto_liq_usd\n4200001|1500\n",
            "account;daily_loss_auto_liq_usd;;\n4200001;1500;;\n",
            "account;daily_loss_auto_liq_usd\n4200001;1500;\n",
            "account,,daily_loss_auto_liq_usd\n4200001,,1500\n",
            '"account","daily_loss_auto_liq_usd"\n="4200001",="1500"\n',
            "account,daily_loss_auto_liq_usd\n'4200001,'1500\n",
            " ACCOUNT  ID ,\tDaily Loss: Auto-Liquidation \n4200001,1500\n",
            "Account number,Daily_Loss_Auto_Liq_USD\n\u200e4200001\u200f,\u00a01500\u202f\n",
            "Name,Daily loss: auto-liquidation\nktr25k-000001,1500\n",
        ],
    )
    def test_it_is_read_alike(self, content: str) -> None:
        for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"):
            chosen = read(content.encode(encoding))
            assert (values(chosen), reported(chosen), noted(chosen)) == ({4200001: "1500"}, [], []), encoding

    def test_lines_are_counted_below_the_line_that_names_the_delimiter(self) -> None:
        chosen = read(b"sep=;\naccount;daily_loss_auto_liq_usd\n4200001;x\n")
        assert reported(chosen) == [(3, USD, "x", "Bad value", HOW_USD)]

    def test_one_delimiter_too_many_in_one_row_is_a_number_torn_apart(self) -> None:
        head = b"account,daily_loss_alert_usd,daily_loss_auto_liq_usd\n"
        chosen = read(head + b"4200001,1,500,\n4200003,1,500,000\n4200006,900,1500\n")
        reason = "4 cells, where the header has 3. If a number or name has a delimiter in it, put it in quotation marks"
        assert reported(chosen) == [
            (2, "", "", "Not as the header says", reason),
            (3, "", "", "Not as the header says", reason),
        ]
        assert values(chosen) == {4200006: "1500"}

    def test_an_unclosed_quotation_mark_swallows_no_rows(self) -> None:
        chosen = read(b'account,daily_loss_auto_liq_usd\n"4200001,1500\n4200003"",1600\n4200006",1700\n4200008,1800\n')
        assert reported(chosen) == [
            (
                2,
                "account",
                '4200001,1500\N{REPLACEMENT CHARACTER}4200003",1600\N{REPLACEMENT CHARACTER}4200006',
                "Bad value",
                "The cell runs over lines 2 to 4. Close or remove its quotation mark",
            )
        ]
        assert values(chosen) == {4200008: "1800"}

    @pytest.mark.parametrize(
        ("begins", "what"),
        [
            (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old Excel workbook"),
            (b"%PDF-1.7", "a PDF"),
            (b"\xef\xbb\xbf <html><table>", "a web page or XML"),
            (b"{\\rtf1", "a text document with formatting"),
            (b"\x1f\x8b\x08", "a compressed file"),
        ],
    )
    def test_other_files_are_distinguished(self, begins: bytes, what: str) -> None:
        assert refused(begins) == (f"This is {what}, not a CSV file, whatever its name ends in. {SAVE_AS}",)

    def test_one_letter_of_an_unknown_encoding_spoils_one_row(self) -> None:
        chosen = read(b"account,daily_loss_auto_liq_usd\n4200001,1500\nJos\xe9,1600\n4200003,1\xa0700\n")
        assert values(chosen) == {4200001: "1500"}
        assert reported(chosen) == [
            (3, "account", "José", "Bad value", NOT_UTF8),
            (4, USD, "1\N{REPLACEMENT CHARACTER}700", "Bad value", NOT_UTF8),
        ]

    def test_a_row_of_totals_is_named_as_that(self) -> None:
        chosen = read(b"account,daily_loss_auto_liq_usd\n4200001,1500\nTotal,1500\n,1500\n")
        assert reported(chosen) == [
            (
                3,
                "account",
                "Total",
                "Unknown",
                "No account has this id or name. A row of totals is not one of them: delete it",
            ),
            (
                4,
                "account",
                "",
                "Not as the header says",
                "No account is named here. Write its id or name, or delete the row",
            ),
        ]


class TestColumns:
    """Which column is which."""

    def test_unknown_columns_are_named_and_ignored_on_request(self) -> None:
        content = b"account,daily_loss_auto_liq_usd,Note,\n4200001,1500,urgent,x\n"
        first, *rest = refused(content)
        assert first.startswith("Line 1: there is no column “Note” here (level, daily_loss_alert_usd, ")
        assert rest == [
            "Line 1: column 4 has no heading.",
            "Remove the columns that are not needed, or tick “Ignore columns with other headings”.",
        ]
        chosen = read(content, ignore_unknown=True)
        assert (values(chosen), reported(chosen)) == ({4200001: "1500"}, [])
        assert noted(chosen) == [(1, "Columns that were ignored: Note, number 4, which has no heading.")]

    @pytest.mark.parametrize("heading", ["Daily loss: auto-liquidation %", "Daily loss: auto-liquidation (EUR)"])
    def test_a_unit_behind_a_heading_is_not_overlooked(self, heading: str) -> None:
        assert f"Line 1: there is no column “{heading}” here" in refused(f"account,{heading}\n4200001,2\n".encode())[0]

    def test_a_parameter_under_two_of_its_headings_is_refused(self) -> None:
        content = b"account,daily_loss_auto_liq_usd,Daily loss: auto-liquidation\n4200001,1,2\n"
        assert refused(content) == (f"Line 1: the column “{USD}” comes twice. Keep one of them.",)

    def test_the_header_is_named_by_its_own_line(self) -> None:
        assert refused(b"\n\naccount,account\n4200001,4200001\n") == (
            "Line 3: the column “account” comes twice. Keep one of them.",
        )

    def test_id_and_name_have_to_agree(self) -> None:
        chosen = read(
            b"account_id,account_name,daily_loss_auto_liq_usd\n"
            b"4200001,KTR25K-000001,1500\n4200003,,1600\n,KTR25K-000006,1700\n4200008,KTR25K-000009,1800\n4200009,NOBODY,1900\n"
            b"404,KTR25K-000011,2000\n405,NOBODY,2100\n"
        )
        assert values(chosen) == {4200001: "1500", 4200003: "1600", 4200006: "1700"}
        assert reported(chosen) == [
            (
                5,
                "account_id",
                "4200008",
                "Id and name differ",
                ("4200008 is KTR25K-000008 and KTR25K-000009 is 4200009. Correct one of them, or leave its cell empty"),
            ),
            (
                6,
                "account_name",
                "NOBODY",
                "Unknown",
                "No account has this name, though 4200009 is KTR25K-000009. Correct it, or leave its cell empty",
            ),
            (
                7,
                "account_id",
                "404",
                "Unknown",
                "No account has this id, though KTR25K-000011 is 4200011. Correct it, or leave its cell empty",
            ),
            (8, "account_id", "405", "Unknown", "No account has this id or name"),
        ]

    def test_an_environment_beside_the_account_has_to_be_the_chosen_one(self) -> None:
        chosen = read(b"account,environment\n4200001,demo\n4200003,Live\n4200006,\n")
        assert chosen.ids == (4200001, 4200006)
        assert reported(chosen) == [
            (
                3,
                "environment",
                "Live",
                "Id and name differ",
                "This row is about live, and demo was chosen. Upload it there, or leave it out",
            )
        ]


class TestIds:
    """Ids that a spreadsheet has changed are refused with how to write them, and never looked up as another number."""

    @pytest.mark.parametrize(
        ("written", "hint"),
        [
            ("4200001.0", "Write the id without decimals: 4200001"),
            ('"4200001,00"', "Write the id without decimals: 4200001"),
            (
                "4.2E+06",
                (
                    "Spreadsheets shorten long numbers in this way, and digits are lost. "
                    "Format the column as text, and write the id"
                ),
            ),
            ('"4,200,001"', "Write the id without separators: 4200001"),
            ("4.200.001", "Write the id without separators: 4200001"),
            ("4\u00a0200\u00a0001", "Write the id without separators: 4200001"),
            ("4'200'001", "Write the id without separators: 4200001"),
            ("\u0664\u0662\u0660\u0660\u0660\u0660\u0661", "Write it with the digits 0 to 9: 4200001"),
        ],
    )
    def test_they_are_refused(self, written: str, hint: str) -> None:
        chosen = read(f"account\n{written}\n".encode())
        assert chosen.ids == ()
        (problem,) = chosen.problems
        assert (problem.line, problem.fault.value, problem.reason) == (
            2,
            "Unknown",
            f"No account has this id or name. {hint}",
        )


class TestSharedNames:
    """A name that a closed account had before."""

    def test_the_open_account_is_taken_and_that_is_said(self) -> None:
        make_account(4200041, name="KTR25K-000001", archived=True, closed=True)
        chosen = read(b"account\nKTR25K-000001\n")
        assert (chosen.ids, reported(chosen)) == ((4200001,), [])
        assert noted(chosen) == [
            (2, "KTR25K-000001 is also the name of 4200041, archived or closed; the open account 4200001 was taken.")
        ]

    def test_two_open_ones_are_listed_by_their_ids_without_the_closed_one(self) -> None:
        make_account(4200041, name="KTR25K-000001", archived=True)
        make_account(4200042, name="KTR25K-000001")
        assert reported(read(b"account\nKTR25K-000001\n")) == [
            (
                2,
                "account",
                "KTR25K-000001",
                "Ambiguous",
                "2 accounts have this name. Write the id instead (4200001, 4200042)",
            )
        ]

    def test_only_closed_ones(self) -> None:
        make_account(4200041, name="KTR25K-000040", archived=True)
        assert reported(read(b"account\nKTR25K-000040\n")) == [
            (
                2,
                "account",
                "KTR25K-000040",
                "Archived or closed",
                "2 accounts have this name, and all are archived or closed",
            )
        ]

    def test_the_id_beside_the_name_says_which(self) -> None:
        make_account(4200041, name="KTR25K-000001", archived=True)
        chosen = read(b"id,name\n4200041,KTR25K-000001\n")
        assert reported(chosen) == [(2, "id", "4200041", "Archived or closed", "This account is archived or closed")]

    def test_names_with_invisible_characters_are_found_as_they_are_and_as_they_look(self) -> None:
        make_account(4200050, name="ACC\u202eEVIL-3")
        assert read("account\nACC\u202eEVIL-3\n".encode()).ids == (4200050,)
        chosen = read("account\nKTR\u200b25K-000001\n".encode())
        assert chosen.ids == (4200001,)
        assert noted(chosen) == [(2, "KTR\N{REPLACEMENT CHARACTER}25K-000001 was read as KTR25K-000001.")]
