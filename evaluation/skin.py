"""Boxes on skin: where people in photographs show it, as a JSON file says."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from colorrt.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SHAPE = '{"NAME": [[left, top, right, bottom], ...], ...}, parts of the width and height'


@dataclass(frozen=True)
class Box:
    """A box of a picture, in parts of its width and height (0..1), so that it holds at any size."""

    left: float
    top: float
    right: float
    bottom: float

    def pixels(self, height: int, width: int) -> tuple[slice, slice]:
        """Rows and columns of the pixels whose middles lie inside; at least one of each."""
        rows = _span(self.top, self.bottom, height)
        return rows, _span(self.left, self.right, width)


def read_boxes(path: Path) -> dict[str, tuple[Box, ...]]:
    """Read boxes by the last part of the photographs' names.

    Raises UsageError when the file cannot be read or is not of the form
    {"NAME": [[left, top, right, bottom], ...], ...}, all from 0 to 1.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: no boxes can be read here ({error.strerror}); give a JSON file") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: this is not JSON; boxes are {_SHAPE}") from error
    if not (isinstance(table, dict) and table):
        raise UsageError(f"{path}: there are no boxes in it; they are {_SHAPE}")
    return {name: _boxes(path, name, rows) for name, rows in table.items()}


def boxes_of(boxes: Mapping[str, tuple[Box, ...]], name: str) -> tuple[Box, ...]:
    """Return the boxes of a photograph (its name may have folders in front), none when it has none."""
    return boxes.get(PurePosixPath(name).name, ())


def _boxes(path: Path, name: str, rows: Any) -> tuple[Box, ...]:
    found = []
    for row in rows if isinstance(rows, list) else [rows]:
        numbers = isinstance(row, list) and len(row) == 4 and all(type(value) in (int, float) for value in row)
        if not numbers or not (0 <= row[0] < row[2] <= 1 and 0 <= row[1] < row[3] <= 1):
            raise UsageError(f"{path}: a box of {name!r} is not left, top, right, bottom; boxes are {_SHAPE}")
        found.append(Box(*map(float, row)))
    return tuple(found)


def _span(first: float, last: float, count: int) -> slice:
    start = min(count - 1, math.ceil(first * count - 0.5))
    return slice(start, max(start + 1, math.ceil(last * count - 0.5)))
