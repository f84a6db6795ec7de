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
STRANGE_IN_NAMES = re.compile(
    r"anew|aside|askers?|blows?|hands|heal(s|ed|ing)?|(un)?judged|judg(e|es|ing)|learnt|lest|mend(s|ed|ing)?|naught|nobodys?|ought"
    r"|paid|pay|seats?|spare|standings?|tell(s|ing)?|(un)?told|whoever",
    re.IGNORECASE,
)
COLUMNS = frozenset({"judged_at", "learnt_at", "untold"})
"""Columns of the database keep their names."""
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def python_files(*folders: str) -> list[Path]:
    files = (path for folder in folders for path in sorted((PROJECT / folder).rglob("*.py")))
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


def names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Return every name that code gives: to functions, classes, arguments, variables and attributes."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.lineno, node.attr
            case ast.alias(asname=str() as name):
                yield node.lineno, name


def strange_in(name: str) -> list[str]:
    words = [] if name in COLUMNS else WORD.findall(name)
    return [word for word in words if STRANGE_IN_NAMES.fullmatch(word)]


def strange(text: str) -> list[str]:
    return STRANGE.findall(text.replace(f"`{THE_SYSTEM_ACCOUNT}`", ""))


def test_comments_and_docstrings_use_common_words() -> None:
    found = [
        f"{path.relative_to(PROJECT)}:{line}: {', '.join(words)}"
        for path in python_files(*CODE, "tests")
        for line, text in prose(path)
        if (words := strange(text))
    ]
    assert found == []


def test_names_in_code_use_common_words() -> None:
    found = [
        f"{path.relative_to(PROJECT)}:{line}: {name}"
        for path in python_files(*CODE, "tests")
        for line, name in names(ast.parse(path.read_text(encoding="utf-8")))
        if strange_in(name)
    ]
    assert found == []


def test_files_and_templates_have_common_names() -> None:
    files = [*python_files(*CODE, "tests"), *sorted((PROJECT / "templates").rglob("*.html"))]
    assert [str(path.relative_to(PROJECT)) for path in files if strange_in(path.stem)] == []


def test_what_people_are_shown_uses_common_words() -> None:
    found = [
        f"{path.relative_to(PROJECT)}:{line}: {', '.join(words)}"
        for path in python_files(*CODE)
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


def test_names_in_code_are_found() -> None:
    code = ast.parse("class StandingLock:\n    def pay(self, told): self.judged_at = AT_ONCE = payload = told")
    assert [name for _, name in names(code) if strange_in(name)] == ["StandingLock", "pay", "told"]
    assert strange_in("test_what_nobody_knows") == ["nobody"]


def test_texts_in_code_are_found(tmp_path: Path) -> None:
    code = tmp_path / "code.py"
    code.write_text('say(f"{count} rows in fault", user="nobody", why=NOBODY)\n', encoding="utf-8")
    assert [(line, words) for line, text in literals(code) if (words := strange(text))] == [(1, ["in fault"])]
