"""Guards around reading: whatever goes wrong is told in one line, and Pillow's own limit of pixels is set aside."""

from __future__ import annotations

import errno
import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

from PIL import Image

from colorrt.atomic import printable
from colorrt.errors import PictureError
from colorrt.runtime.pictures.tiff_reading import NotReadError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_WHY_NOT_READ = {
    errno.EACCES: "there is no permission to read it; make it readable (chmod +r)",
    errno.EISDIR: "it is a folder; name a picture in it",
    errno.ELOOP: "its symbolic links form a loop; name the picture itself",
    errno.ENAMETOOLONG: "its name is too long; check the name",
    errno.ENOENT: "there is no such file; check the name",
    errno.ENOTDIR: "part of its path is a file, not a folder; check the name",
    errno.EPERM: "there is no permission to read it; make it readable (chmod +r)",
}


@contextmanager
def picture_errors(path: Path, page: str = "") -> Iterator[None]:
    """Turn whatever goes wrong in reading into a PictureError of one line."""
    try:
        yield
    except PictureError:
        raise
    except MemoryError:
        raise PictureError(
            f"{printable(path)}: {page}there is not enough memory for it; "
            "close other programs or work on fewer pictures at a time"
        ) from None
    except Exception as error:
        # Anything: on damaged files Pillow's decoders raise nearly every exception there is.
        if isinstance(error, OSError) and error.errno in _WHY_NOT_READ:
            raise PictureError(f"{printable(path)}: {_WHY_NOT_READ[error.errno]}") from error
        reason = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, NotReadError):
            raise PictureError(f"{printable(path)}: {page}{reason}; convert it to PNG") from error
        if "MAX_TEXT" in reason:
            raise PictureError(
                f"{printable(path)}: {page}its text or its profile decompresses to more than any picture needs, like "
                "a bomb; save it again without metadata"
            ) from error
        raise PictureError(
            f"{printable(path)}: {page}it is damaged or cut off ({reason}); copy it again from its source"
        ) from error


class _PillowLimitLifted:
    """While any thread is inside, Pillow neither applies its own limit of pixels nor warns of odd metadata.

    Pillow warns (and above twice its limit refuses) by one global of its module, whatever `max_pixels` says.
    The global is put back when the last reader has left, so that a program around us keeps its protection.
    `warnings.catch_warnings` would not do: threads that leave it in another order than they came in leave the
    filters in disorder. The filter set here concerns only UserWarnings of Pillow, and stays.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readers = 0
        self._set_aside: int | None = None

    def __enter__(self) -> None:
        with self._lock:
            if self._readers == 0:
                warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
                self._set_aside, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            self._readers += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._readers -= 1
            if self._readers == 0 and Image.MAX_IMAGE_PIXELS is None:
                Image.MAX_IMAGE_PIXELS = self._set_aside


pillow_limit_lifted = _PillowLimitLifted()
