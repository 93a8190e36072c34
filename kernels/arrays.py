"""What arrays the kernels accept, and how they are handed over.

Numba compiles a kernel anew for each memory layout it meets. Everything is therefore handed over in one:
C-contiguous, aligned, read-only. Other layouts are copied into it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Level = TypeVar("Level", bound=np.uint8 | np.uint16)
Scalar = TypeVar("Scalar", bound=np.generic)


def contiguous(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """Return the array itself if it is plain, C-contiguous and aligned, or else a copy that is."""
    return np.require(array, requirements=["C_CONTIGUOUS", "ALIGNED", "ENSUREARRAY"])


def readonly_view(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """Return a read-only, C-contiguous view (or copy) of the array: the one layout that kernels read."""
    view = contiguous(array).view()
    view.flags.writeable = False
    return view


def white_of(levels: NDArray[Any], name: str) -> int:
    """Return the level of white, 255 or 65535.

    Raises TypeError if `levels` is neither uint8 nor uint16 in native byte order.
    """
    if not isinstance(levels, np.ndarray):
        raise TypeError(f"{name} has to be a numpy array, got {type(levels).__name__}; use numpy.asarray")
    if levels.dtype not in (np.uint8, np.uint16):
        raise TypeError(f"{name} has to be uint8 or uint16, got {levels.dtype}; convert it with astype")
    return int(np.iinfo(levels.dtype).max)


def check_plane(plane: NDArray[Any], name: str) -> None:
    """Raise ValueError unless `plane` is (H, W) with at least one pixel."""
    if plane.ndim != 2 or plane.size == 0:
        raise ValueError(f"{name} has to be (H, W) with at least one pixel, got shape {plane.shape}")


def check_float32(array: NDArray[Any], name: str) -> None:
    """Raise TypeError unless `array` is a float32 array."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{name} has to be a numpy array, got {type(array).__name__}; use numpy.asarray")
    if array.dtype != np.float32:
        raise TypeError(f"{name} has to be float32, got {array.dtype}; convert it with astype")
