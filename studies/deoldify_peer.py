"""Runs the original DeOldify for `studies.peers`, in a Python of its own. Stands alone: imports nothing of ours.

Started as `python deoldify_peer.py JOB` with the job as JSON, in any Python from 3.7 on that DeOldify runs in. It
answers on standard output, one line of JSON each: what it is, and then a time for every path that it reads from
standard input.
DeOldify's API as of its repository's last state: deoldify.device, deoldify.device_id, deoldify.visualize.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def main() -> int:
    """Load the colorizer, then color each picture whose path comes in."""
    job = json.loads(sys.argv[1])
    # DeOldify and its packages print what they like.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(**table: object) -> None:
        answers.write(json.dumps(table) + "\n")
        answers.flush()

    try:
        started = time.perf_counter()
        colorizer = load(job)
        answer(loaded=describe(), open_ms=1000 * (time.perf_counter() - started))
    except Exception as error:
        answer(failed=say(error))
        return 3
    for line in sys.stdin:
        task = json.loads(line)
        try:
            started = time.perf_counter()
            color(colorizer, task["source"], task["target"], job["render_factor"])
            answer(ms=1000 * (time.perf_counter() - started))
        except Exception as error:
            answer(failed=say(error))
    return 0


def load(job: dict[str, Any]) -> Any:
    """Set the device, before torch is imported, and build the image colorizer."""
    # The original reads its weights, a dummy picture and its watermark relative to its own folder.
    os.chdir(job["checkout"])
    sys.path.insert(0, job["checkout"])
    from deoldify import device  # type: ignore[import-not-found]  # the original's, beside this checkout

    try:
        from deoldify.device_id import DeviceId  # type: ignore[import-not-found]  # the original's, beside this checkout
    except ImportError:
        # Its versions of 2020.
        device.set("cuda" if job["device"] == "cuda" else "cpu")
    else:
        device.set(device=DeviceId.GPU0 if job["device"] == "cuda" else DeviceId.CPU)
    import torch

    if job["threads"]:
        # The original asks for one thread through OMP_NUM_THREADS; both are to have the same.
        torch.set_num_threads(job["threads"])
    from deoldify.visualize import get_image_colorizer  # type: ignore[import-not-found]  # the original's, beside this checkout

    with contextlib.redirect_stdout(sys.stderr):
        return get_image_colorizer(artistic=job["artistic"], render_factor=job["render_factor"])


def color(colorizer: Any, source: str, target: str, render_factor: int) -> None:
    """Color one picture and save it; without the watermark, where that can be said."""
    known = inspect.signature(colorizer.get_transformed_image).parameters
    options = {"watermarked": False} if "watermarked" in known else {}
    image = colorizer.get_transformed_image(Path(source), render_factor=render_factor, **options)
    image.save(target, quality=95, subsampling=0)


def describe() -> str:
    """Name what runs it."""
    import torch

    return f"DeOldify, PyTorch {torch.__version__}, Python {sys.version_info[0]}.{sys.version_info[1]}"


def say(error: Exception) -> str:
    """Return an error as one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


if __name__ == "__main__":
    sys.exit(main())
