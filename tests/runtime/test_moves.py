"""Results that were announced, and the run that came no further."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from colorrt.runtime import moves
from colorrt.runtime.journal import DONE, Journal, Row, identify, write_line
from colorrt.runtime.moves import Moves, recover_rows

if TYPE_CHECKING:
    from pathlib import Path


def row(folder: Path, name: str) -> Row:
    path = folder / name
    path.write_bytes(name.encode())
    return Row(f"/scans/{name}", name, DONE, None, 1.0, None, identify(path, digest=True))


def test_row_that_a_full_disk_tore_swallows_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row(tmp_path, name) for name in ("a.jpg", "b.jpg", "c.jpg")]
    living = Moves(tmp_path)
    living.announce(rows[0])

    def torn(file: int, line: str) -> None:
        os.write(file, line[:40].encode())
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as full:
        full.setattr(moves, "write_line", torn)
        with pytest.raises(OSError, match="No space"):
            living.announce(rows[1])
    assert moves.write_line is write_line
    living.announce(rows[2])
    # As a kill leaves it: results stand, no row is entered.
    living.close()
    journal = Journal(tmp_path)
    recover_rows(journal)
    assert [one.target for one in journal.results()] == ["a.jpg", "c.jpg"]
