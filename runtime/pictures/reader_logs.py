"""What Pillow and tifffile log of damaged files, kept from the terminal: ours come as one sentence."""

from __future__ import annotations

import logging
import threading
import warnings


class _ReadersSilenced(logging.Filter):
    """While a thread is inside, what they log on that thread is dropped; others hear theirs."""

    def __init__(self) -> None:
        super().__init__()
        self._inside = threading.local()
        for name in ("tifffile", "PIL.Image", "PIL.PngImagePlugin", "PIL.TiffImagePlugin"):
            logging.getLogger(name).addFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record goes on."""
        return not getattr(self._inside, "depth", 0)

    def __enter__(self) -> None:
        # As for Pillow, see guards.py: a filter that stays is safe in threads, one that is taken back is not.
        warnings.filterwarnings("ignore", module=r"tifffile")
        self._inside.depth = getattr(self._inside, "depth", 0) + 1

    def __exit__(self, *_: object) -> None:
        self._inside.depth -= 1


readers_silenced = _ReadersSilenced()
