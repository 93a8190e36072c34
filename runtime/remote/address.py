"""Addresses of object stores, where everything else names files: s3://bucket/scans."""

from __future__ import annotations

import re
from pathlib import Path, PosixPath
from typing import TYPE_CHECKING

SCHEMES = ("s3", "s3a", "gs", "az", "abfs", "abfss")
"""What is read and written."""

_ADDRESS = re.compile(rf"(?:{'|'.join(SCHEMES)})://", re.IGNORECASE)
_CUT = re.compile(r"^([a-z0-9]+):/(?!/)", re.IGNORECASE)

if TYPE_CHECKING:
    _Base = PosixPath
else:
    # PosixPath cannot be made on Windows.
    _Base = type(Path())


class Address(_Base):
    """An address that stands where results and sources are named by paths: as text, it is the address again."""

    def __str__(self) -> str:
        """Return the address with both of its slashes, which paths make one of."""
        return _CUT.sub(r"\1://", super().__str__().replace("\\", "/"))


def is_address(text: str) -> bool:
    """Whether a text is the address of a store that colorrt reads and writes."""
    return _ADDRESS.match(text) is not None
