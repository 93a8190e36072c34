"""Figures for Prometheus, in its text format."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter

KIND = "text/plain; version=0.0.4; charset=utf-8"
_BOUNDS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """Counts requests by path and status, and the seconds that coloring took. Safe in threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._times: Counter[int] = Counter()
        self._seconds = 0.0
        self._bytes = 0

    @property
    def colored(self) -> int:
        """Pictures that were colored."""
        with self._lock:
            return sum(self._times.values())

    def count(self, path: str, status: int) -> None:
        """Count an answer. `path`: one of few, such as that of its route."""
        with self._lock:
            self._requests[path, status] += 1

    def time(self, seconds: float, size: int) -> None:
        """Count a colored picture. `size`: bytes of the answer."""
        with self._lock:
            self._times[bisect_left(_BOUNDS, seconds)] += 1
            self._seconds += seconds
            self._bytes += size

    def text(self, inside: int, places: int) -> str:
        """Return all of it. `inside`: pictures that are colored or wait, `places`: how many may."""
        with self._lock:
            lines = [
                "# HELP colorrt_requests_total Answers by path and status.",
                "# TYPE colorrt_requests_total counter",
            ]
            lines += [
                f'colorrt_requests_total{{path="{path}",status="{status}"}} {count}'
                for (path, status), count in sorted(self._requests.items())
            ]
            lines += [
                "# HELP colorrt_picture_seconds Seconds from a whole body to the colored picture.",
                "# TYPE colorrt_picture_seconds histogram",
            ]
            total = 0
            for index, bound in enumerate(_BOUNDS):
                total += self._times[index]
                lines.append(f'colorrt_picture_seconds_bucket{{le="{bound:g}"}} {total}')
            total += self._times[len(_BOUNDS)]
            lines += [
                f'colorrt_picture_seconds_bucket{{le="+Inf"}} {total}',
                f"colorrt_picture_seconds_sum {self._seconds:.6f}",
                f"colorrt_picture_seconds_count {total}",
                "# HELP colorrt_answered_bytes_total Bytes of colored pictures.",
                "# TYPE colorrt_answered_bytes_total counter",
                f"colorrt_answered_bytes_total {self._bytes}",
                "# HELP colorrt_pictures_inside Pictures that are colored or wait.",
                "# TYPE colorrt_pictures_inside gauge",
                f"colorrt_pictures_inside {inside}",
                "# HELP colorrt_places Pictures that may be inside.",
                "# TYPE colorrt_places gauge",
                f"colorrt_places {places}",
            ]
        return "\n".join(lines) + "\n"
