"""Words that a reader would have to learn first don't come back: not into code, pages or documentation."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
CODE = ("accounts", "riskadmin")
STRANGE = re.compile(
    r"\b(anew|whoever|nobody|mend(?:s|ed|ing)?|lest|in fault|ought|naught|look(?:ed)? at it again"
    r"|rooms?(?= (?:imports?|of the product)))\b",
    re.IGNORECASE,
)
THE_SYSTEM_ACCOUNT = "nobody"


def python_files() -> list[Path]:
    files = (path for folder in CODE for path in sorted((PROJECT / folder).rglob("*.py")))
    return [path for path in files if "migrations" not in path.parts]


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """Return the comments of a file, and the strings that stand by themselves: docstrings, also those of constants."""
    text = path.read_text(encoding="utf-8")
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value


def literals(path: Path) -> Iterator[tuple[int, str]]:
    """Return every text in a file's code: what pages, messages, errors and logs say, whole or in parts."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value != THE_SYSTEM_ACCOUNT:
            yield node.lineno, node.value


def strange(text: str) -> list[str]:
    return STRANGE.findall(text.replace(f"`{THE_SYSTEM_ACCOUNT}`", ""))


def test_comments_and_docstrings_use_common_words() -> None:
    found = [
        f"{path.relative_to(PROJECT)}:{line}: {', '.join(words)}"
        for path in python_files()
        for line, text in prose(path)
        if (words := strange(text))
    ]
    assert found == []


def test_what_people_are_shown_uses_common_words() -> None:
    found = [
        f"{path.relative_to(PROJECT)}:{line}: {', '.join(words)}"
        for path in python_files()
        for line, text in literals(path)
        if (words := strange(text))
    ]
    assert found == []


def test_pages_use_common_words() -> None:
    found = [
        f"{path.relative_to(PROJECT)}:{number}: {', '.join(words)}"
        for path in sorted((PROJECT / "templates").rglob("*.html"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if (words := strange(line))
    ]
    assert found == []


def test_documentation_uses_common_words() -> None:
    pages = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted((PROJECT / "docs").rglob("*.md"))]
    found = [
        f"{path.relative_to(PROJECT)}:{number}: {', '.join(words)}"
        for path in pages
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if (words := strange(line))
    ]
    assert found == []


def test_the_words_are_found() -> None:
    assert strange("Mend it anew, lest nobody knows") == ["Mend", "anew", "lest", "nobody"]
    assert strange("runs as `postgres` or `nobody`") == []
    assert strange("Look at it again by") == ["Look at it again"]


def test_texts_in_code_are_found(tmp_path: Path) -> None:
    code = tmp_path / "code.py"
    code.write_text('say(f"{count} rows in fault", user="nobody", why=NOBODY)\n', encoding="utf-8")
    assert [(line, words) for line, text in literals(code) if (words := strange(text))] == [(1, ["in fault"])]
