"""The zoo of odd files through the command: one line each, nothing unforeseen, and the next run has nothing to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from odd_files import bombs_of_text, hostile_files, sound_files
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

MOST_PIXELS = 1_000_000


def test_zoo_is_colored_or_refused_by_name_and_then_known(run: Callable[..., Result], tmp_path: Path) -> None:
    zoo = {"sound": sound_files(), "hostile": dict(hostile_files()), "metadata": bombs_of_text()}
    assert sum(map(len, zoo.values())) >= 120
    for room, animals in zoo.items():
        (tmp_path / "zoo" / room).mkdir(parents=True)
        for name, data in animals.items():
            (tmp_path / "zoo" / room / name).write_bytes(data)
    result = run("zoo", "-o", "out", "--recolor", "--max-pixels", MOST_PIXELS, "--report", "report.json")
    assert result.exit_code == 1
    rows = json.loads((tmp_path / "report.json").read_text())
    found = {row["source"]: row for row in rows}
    assert len(rows) == len(found) == sum(map(len, zoo.values()))
    for source, row in found.items():
        expected = "failed" if source.startswith("zoo/hostile/") else "done"
        assert row["outcome"] == expected, row
        if row["outcome"] == "failed":
            assert row["reason"].startswith(f"{source}: ")
            assert row["reason"].isprintable()
            assert "foresee" not in row["reason"]
        else:
            with Image.open(tmp_path / row["target"]) as image:
                image.load()
    assert list((tmp_path / "out").rglob("*.part")) == []
    again = run("zoo", "-o", "out", "--recolor", "--max-pixels", MOST_PIXELS)
    done = sum(row["outcome"] == "done" for row in rows)
    assert again.stdout.startswith(f"0 colored; {done} skipped: done before; {len(rows) - done} failed")
