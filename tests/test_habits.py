"""Habits of the source that no linter holds."""

from __future__ import annotations

import io
import re
import tokenize
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROOMS = (
    "bench", "evaluation", "export", "interface", "kernels", "models", "photos", "runtime", "service", "studies",
    "tests", "training",
)  # fmt: skip
# The reason stands in parentheses behind noqa, and in a comment of its own behind mypy's, which reads on else.
BARE = re.compile(r"# noqa(?!: [A-Z0-9]+(?:, [A-Z0-9]+)* \(.+\)$)|# type: ignore(?!\[[a-z, -]+\]  # .+$)")


def bare(source: str) -> list[str]:
    """The comments that switch a linter or mypy off for a line without saying why."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return [token.string for token in tokens if token.type == tokenize.COMMENT and BARE.match(token.string)]


def test_every_ignored_warning_has_its_reason_beside_it() -> None:
    found = {}
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            if comments := bare(path.read_text(encoding="utf-8")):
                found[str(path.relative_to(ROOT))] = comments
    assert found == {}


def test_reasons_are_told_from_bare_comments() -> None:
    assert bare("import a  # noqa\nimport b  # noqa: F401\nc = 1  # type: ignore[misc]\n") == [
        "# noqa", "# noqa: F401", "# type: ignore[misc]",
    ]  # fmt: skip
    assert bare("import a  # noqa: F401, I001 (why)\nc = 1  # type: ignore[misc]  # why\nd = '# noqa'\n") == []
