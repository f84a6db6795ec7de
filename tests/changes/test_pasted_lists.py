"""Lists as people paste them: what is around the names is cleaned, what is left over is told."""

from pathlib import Path

import pytest

from accounts.changes.kinds.spec import Unit
from accounts.changes.targeting import targets
from accounts.changes.targeting.targets import BadTargets, TargetSelection
from riskadmin.tradovate.vocabulary import Environment
from tests.changes.world import make_account, make_trader

pytestmark = pytest.mark.django_db

BOTH = (4200001, 4200003)
NOT_UNDERSTOOD = "No account's id or name. Remove it, or leave it out on purpose; accounts beside it stay chosen"
CASE = Path(__file__).parent / "cases" / "paste01_lists_as_people_paste_them.txt"


@pytest.fixture(autouse=True)
def accounts() -> None:
    """Two open accounts, and 1 and 2, which numbering could be taken for."""
    for number in (*BOTH, 4200006):
        make_account(number, name=f"KTR25K-{number - 4200000:06}")


def paste(text: str, unit: Unit = Unit.ACCOUNT) -> TargetSelection:
    return targets.of_text(Environment.DEMO, unit, text)


def reported(chosen: TargetSelection) -> list[tuple[int, str, str, str]]:
    return [(each.line, each.value, each.fault.value, each.reason) for each in chosen.problems]


def noted(chosen: TargetSelection) -> list[tuple[int, str]]:
    return [(each.line, each.words) for each in chosen.notes]


@pytest.mark.parametrize("number", range(4))
def test_the_collected_lists_are_cleaned(number: int) -> None:
    chosen = paste(CASE.read_text().split("---\n")[number])
    assert (chosen.ids, reported(chosen), noted(chosen)) == (BOTH, [], [])


def test_text_next_to_an_account_is_reported_and_never_dropped() -> None:
    chosen = paste(CASE.read_text().split("---\n")[4])
    assert chosen.ids == (4200001,)
    assert reported(chosen) == [(1, "- please lock asap", "Not understood", NOT_UNDERSTOOD)]


def test_the_collected_lists_all_at_once() -> None:
    chosen = paste(CASE.read_text())
    assert chosen.ids == BOTH
    assert reported(chosen) == [(10, "- please lock asap", "Not understood", NOT_UNDERSTOOD)]
    assert [line for line, _ in noted(chosen)] == [3, 3, 5, 6, 8, 8, 10]


@pytest.mark.parametrize(
    "text",
    [
        "1. 4200001\n2. 4200003",
        "1) 4200001\n2) 4200003",
        "(1) 4200001\n(2) 4200003",
        "[1] 4200001\n[2] 4200003",
        "- 1. 4200001\n- 2. 4200003",
        "* 4200001\n* 4200003",
        "- 4200001\n\u2013 4200003",
        "\u25aa\t4200001\n\u25aa\t4200003",
        "- [ ] 4200001\n- [x] 4200003",
        "> 4200001\n>> 4200003",
        "`4200001` `4200003`",
        "```\n4200001\n4200003\n```",
        "@KTR25K-000001, @KTR25K-000003.",
        "<4200001>; <4200003>",
        "{4200001, 4200003}",
        '["4200001","4200003"]',
        "\u201c4200001\u201d, \u201eKTR25K-000003\u201c",
        "\u00ab4200001\u00bb / \u00ab4200003\u00bb",
        "\u200e4200001\u200f\r\n\u2066KTR25K-000003\u2069\r\n",
        "4200001\u00a04200003",
        "4200001 | 4200003",
        "'4200001\n'4200003",
        '="4200001"\n="4200003"',
        "(ktr25k-000001) \u2192 4200003!",
        "4200001:\n4200003:",
    ],
)
def test_marks_around_names_are_cleaned(text: str) -> None:
    chosen = paste(text)
    assert (chosen.ids, reported(chosen), noted(chosen)) == (BOTH, [], [])


@pytest.mark.parametrize("text", ["1. 4200001\n2. 4200003", "1)\t4200001\n2)\t4200003", "1\t4200001\n2\t4200003"])
def test_numbering_is_never_an_id(text: str) -> None:
    make_account(1)
    make_account(2)
    assert paste(text).ids == BOTH


def test_numbers_before_tabs_that_count_the_lines_are_shown() -> None:
    assert noted(paste("1\t4200001\n2\t4200003")) == [
        (1, "The numbers before the tabs count the lines, and were not read as ids.")
    ]
    make_account(7)
    make_account(9)
    assert paste("7\t4200001\n9\t4200003").ids == (7, 4200001, 9, 4200003)


def test_numbers_that_only_look_like_numbering_are_shown() -> None:
    chosen = paste("1 4200001\n2 4200003")
    assert (chosen.ids, [(line, value) for line, value, _, _ in reported(chosen)]) == (BOTH, [(1, "1"), (2, "2")])


@pytest.mark.parametrize(
    "amount", ["-2,024.25", "$1,200", "-$1,200", "2,024.25", "-2.024,25", "-173,79", "\u22122,024", "€-5.50"]
)
def test_the_comma_in_an_amount_separates_no_ids(amount: str) -> None:
    make_account(1)
    make_account(25)
    make_account(200)
    chosen = paste(f"4200001 {amount}\n{amount},4200003\t{amount}")
    assert chosen.ids == BOTH
    advice = "No account has this id or name. It is an amount of money. Remove it, or leave it out on purpose"
    assert reported(chosen) == [(line, amount, "Unknown", advice) for line in (1, 2, 2)]


def test_ids_between_commas_are_no_amount() -> None:
    make_account(1)
    make_account(200)
    assert paste("1,200,4200001,-4200003").ids == (1, 200, 4200001)


def test_ids_that_lead_nowhere_are_shown_one_by_one() -> None:
    chosen = paste("4200001 4299999 KTR25K-999999")
    assert [(value, fault) for _, value, fault, _ in reported(chosen)] == [("4299999", "Unknown"), ("KTR25K-999999", "Unknown")]


def test_a_sentence_with_accounts_in_it_keeps_what_it_says() -> None:
    chosen = paste("Please do not lock 4200001, but 4200003 for 2 days.")
    assert chosen.ids == BOTH
    assert reported(chosen) == [
        (1, "Please do not lock", "Not understood", NOT_UNDERSTOOD),
        (1, "for 2 days.", "Not understood", NOT_UNDERSTOOD),
        (1, "but", "Unknown", "No account has this id or name"),
    ]


def test_dashes_that_a_word_processor_put_for_hyphens_are_read_and_reported() -> None:
    chosen = paste("KTR25K\N{EN DASH}000001\nKTR25K\N{NON-BREAKING HYPHEN}000003")
    assert (chosen.ids, reported(chosen)) == (BOTH, [])
    assert noted(chosen) == [
        (1, "KTR25K\N{EN DASH}000001 was read as KTR25K-000001."),
        (2, "KTR25K\N{NON-BREAKING HYPHEN}000003 was read as KTR25K-000003."),
    ]


def test_a_name_that_has_such_marks_itself_is_found_as_it_is() -> None:
    make_account(4200020, name="#1 (main) account")
    make_account(4200021, name="KTR25K\N{EN DASH}000001")
    assert paste("#1 (main) account").ids == (4200020,)
    assert paste("KTR25K\N{EN DASH}000001").ids == (4200021,)
    make_account(4200022, name="MAIN(2)")
    assert paste("\u201cMAIN(2)\u201d").ids == (4200022,)


def test_a_name_that_a_closed_account_had_before_is_the_open_ones() -> None:
    make_account(4200040, name="KTR25K-000001", archived=True, closed=True)
    chosen = paste("KTR25K-000001")
    assert (chosen.ids, reported(chosen)) == ((4200001,), [])
    assert noted(chosen) == [
        (1, "KTR25K-000001 is also the name of 4200040, archived or closed; the open account 4200001 was taken.")
    ]


def test_a_name_that_a_trader_had_who_is_no_longer_listed() -> None:
    make_trader(70, "kim lee")
    make_trader(71, "kim lee", is_gone=True)
    chosen = paste("1. \u201ckim lee\u201d", Unit.TRADER)
    assert (chosen.ids, reported(chosen)) == ((70,), [])
    assert noted(chosen) == [
        (1, "kim lee is also the name of 71, no longer listed by Tradovate; the open trader 70 was taken.")
    ]


def test_a_trader_with_words_behind_the_name_is_shown_whole() -> None:
    make_trader(70, "kim lee")
    chosen = paste("\u2022 kim lee - unlock please", Unit.TRADER)
    assert chosen.ids == ()
    assert reported(chosen) == [(1, "kim lee - unlock please", "Unknown", "No trader has this id or name")]


@pytest.mark.parametrize("text", ["---", "\u2022\n\u2022", "[], {}"])
def test_marks_without_names_are_nothing(text: str) -> None:
    with pytest.raises(BadTargets, match="Write at least one account's id or name"):
        paste(text)
