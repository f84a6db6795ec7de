"""The assessment against OWASP ASVS 5.0: complete, with counts that are right, and naming only tests and files that there are."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parents[1]
DOCUMENT: Final = (PROJECT / "docs/security/asvs.md").read_text(encoding="utf-8")
LEVELS: Final = {
    1: """
    1.2.1 1.2.2 1.2.3 1.2.4 1.2.5 1.3.1 1.3.2 1.5.1 2.1.1 2.2.1 2.2.2 2.3.1 3.2.1 3.2.2 3.3.1 3.4.1 3.4.2 3.5.1 3.5.2
    3.5.3 4.1.1 4.4.1 5.2.1 5.2.2 5.3.1 5.3.2 6.1.1 6.2.1 6.2.2 6.2.3 6.2.4 6.2.5 6.2.6 6.2.7 6.2.8 6.3.1 6.3.2 6.4.1
    6.4.2 7.2.1 7.2.2 7.2.3 7.2.4 7.4.1 7.4.2 8.1.1 8.2.1 8.2.2 8.3.1 9.1.1 9.1.2 9.1.3 9.2.1 10.4.1 10.4.2 10.4.3
    10.4.4 10.4.5 11.3.1 11.3.2 11.4.1 12.1.1 12.2.1 12.2.2 13.4.1 14.2.1 14.3.1 15.1.1 15.2.1 15.3.1
    """,
    2: """
    1.1.1 1.1.2 1.2.6 1.2.7 1.2.8 1.2.9 1.3.3 1.3.4 1.3.5 1.3.6 1.3.7 1.3.8 1.3.9 1.3.10 1.3.11 1.4.1 1.4.2 1.4.3 1.5.2
    2.1.2 2.1.3 2.2.3 2.3.2 2.3.3 2.3.4 2.4.1 3.3.2 3.3.3 3.3.4 3.4.3 3.4.4 3.4.5 3.4.6 3.5.4 3.5.5 3.7.1 3.7.2 4.1.2
    4.1.3 4.2.1 4.3.1 4.3.2 4.4.2 4.4.3 4.4.4 5.1.1 5.2.3 5.4.1 5.4.2 5.4.3 6.1.2 6.1.3 6.2.9 6.2.10 6.2.11 6.2.12
    6.3.3 6.3.4 6.4.3 6.4.4 6.5.1 6.5.2 6.5.3 6.5.4 6.5.5 6.6.1 6.6.2 6.6.3 6.8.1 6.8.2 6.8.3 6.8.4 7.1.1 7.1.2 7.1.3
    7.3.1 7.3.2 7.4.3 7.4.4 7.4.5 7.5.1 7.5.2 7.6.1 7.6.2 8.1.2 8.2.3 8.4.1 9.2.2 9.2.3 9.2.4 10.1.1 10.1.2 10.2.1
    10.2.2 10.3.1 10.3.2 10.3.3 10.3.4 10.4.6 10.4.7 10.4.8 10.4.9 10.4.10 10.4.11 10.5.1 10.5.2 10.5.3 10.5.4 10.5.5
    10.6.1 10.6.2 10.7.1 10.7.2 10.7.3 11.1.1 11.1.2 11.2.1 11.2.2 11.2.3 11.3.3 11.4.2 11.4.3 11.4.4 11.5.1 11.6.1
    12.1.2 12.1.3 12.3.1 12.3.2 12.3.3 12.3.4 13.1.1 13.2.1 13.2.2 13.2.3 13.2.4 13.2.5 13.3.1 13.3.2 13.4.2 13.4.3
    13.4.4 13.4.5 14.1.1 14.1.2 14.2.2 14.2.3 14.2.4 14.3.2 14.3.3 15.1.2 15.1.3 15.2.2 15.2.3 15.3.2 15.3.3 15.3.4
    15.3.5 15.3.6 15.3.7 16.1.1 16.2.1 16.2.2 16.2.3 16.2.4 16.2.5 16.3.1 16.3.2 16.3.3 16.3.4 16.4.1 16.4.2 16.4.3
    16.5.1 16.5.2 16.5.3 17.1.1 17.2.1 17.2.2 17.2.3 17.2.4 17.3.1 17.3.2
    """,
    3: """
    2.3.5 7.5.3 8.4.2 16.5.4
    """,
}
"""Every requirement of levels 1 and 2, and those of level 3 that were asked for."""
LEVEL_OF: Final = {number: level for level, numbers in LEVELS.items() for number in numbers.split()}
ANSWERS: Final = {"met: ": "met", "n/a: ": "n/a", "**not met** ": "not met"}
SUFFIXES: Final = frozenset({".py", ".md", ".yml", ".toml", ".lock", ".example"})
ROW: Final = re.compile(r"^\| ([\d., ]+) \| (\d) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def rows() -> list[tuple[str, int, str]]:
    """Return each requirement's number, level and answer, as the document has them."""
    return [
        (number, int(level), answer) for numbers, level, _, answer in ROW.findall(DOCUMENT) for number in numbers.split(", ")
    ]


def named() -> Iterator[tuple[str, str]]:
    """Return each path that the document names, with the name of a test in it, if there is one."""
    for text in re.findall(r"`([^`\n]+)`", DOCUMENT):
        path, _, name = text.partition("::")
        if path == "path":  # the example in the introduction
            continue
        if ("/" in path and "://" not in path) or path.startswith(".") or Path(path).suffix in SUFFIXES:
            yield path, name


def defines(file: Path, name: str) -> bool:
    """Return whether a test or a class of tests of this name is in a file."""
    return re.search(rf"^ *(?:def|class) {name}\b", file.read_text(encoding="utf-8"), re.MULTILINE) is not None


def kind_of(answer: str) -> str:
    """Return which of the three answers it is."""
    [kind] = [kind for begins, kind in ANSWERS.items() if answer.startswith(begins)]
    return kind


def test_each_requirement_stands_in_it_once_with_its_level() -> None:
    assert Counter(number for number, _, _ in rows()) == Counter(LEVEL_OF.keys())
    assert {number: level for number, level, _ in rows()} == LEVEL_OF


def test_no_row_of_a_table_is_overlooked() -> None:
    lines = [line for line in DOCUMENT.splitlines() if re.match(r"\| \d", line)]
    assert [line for line in lines if not ROW.fullmatch(line)] == []


def test_every_test_and_file_that_it_names_exists() -> None:
    found = list(named())
    assert [path for path, _ in found if not (PROJECT / path).exists()] == []
    assert [f"{path}::{name}" for path, name in found if name and not defines(PROJECT / path, name)] == []


def test_what_is_met_says_by_what() -> None:
    unproven = [
        number
        for number, _, answer in rows()
        if kind_of(answer) == "met" and "the same test" not in answer and "`" not in answer
    ]
    assert unproven == []


def test_what_is_not_met_has_a_date_and_is_not_of_level_1() -> None:
    unmet = [(number, level, answer) for number, level, answer in rows() if kind_of(answer) == "not met"]
    assert [number for number, _, answer in unmet if not re.match(r"\*\*not met\*\* \d{4}-\d\d-\d\d: ", answer)] == []
    assert [number for number, level, _ in unmet if level == 1] == []


def test_the_counts_of_the_summary_are_right() -> None:
    counted = Counter((level, kind_of(answer)) for _, level, answer in rows())
    lines = [
        f"| level {level} | {' | '.join(str(counted[level, kind]) for kind in ANSWERS.values())} | {len(LEVELS[level].split())} |"
        for level in LEVELS
    ]
    total = [sum(counted[level, kind] for level in LEVELS) for kind in ANSWERS.values()]
    lines.append(f"| in all | {' | '.join(map(str, total))} | {len(LEVEL_OF)} |")
    assert "\n".join(lines) in DOCUMENT
