"""OpenCV, which the original's chain needs and nothing of ours does."""

from __future__ import annotations

from typing import Any

from colorrt.errors import BackendError


def load_opencv() -> Any:
    """Import OpenCV and return it. Raises BackendError when that fails."""
    try:
        import cv2
    except ImportError as error:
        raise BackendError(
            f"the original chain needs OpenCV, which cannot be imported here ({error}); "
            "install it: pip install 'colorrt[bench]'"
        ) from error
    return cv2
