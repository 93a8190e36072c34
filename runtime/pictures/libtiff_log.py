"""libtiff's own words about damaged files, kept from the terminal: ours come as one sentence."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import PIL


@lru_cache(maxsize=1)
def silence_libtiff() -> None:
    """Take the printing of errors from the libtiff that came with Pillow; Pillow raises them all the same.

    Pillow takes its warnings, and leaves its errors to the terminal. Where libtiff is part of Pillow's own module, or
    lies elsewhere, they stay.
    """
    package = Path(PIL.__file__).parent
    for folder in (package.with_name("pillow.libs"), package / ".dylibs"):
        for library in folder.glob("libtiff*"):
            with suppress(OSError, AttributeError):
                setter = ctypes.CDLL(str(library)).TIFFSetErrorHandler
                setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
                setter(None)
