"""Copies among photographs, whatever their size and compression: difference hashes, and a second look at each pair.

The hash of a photograph is 64 bits: of its luma at 9 x 8 pixels, whether each pixel is darker than its right neighbor.
Copies differ in few bits. Hashes of flat pictures say little, so a pair also has to look alike at 16 x 16 pixels.
Source: Krawetz, "Kind of Like That" (2013), dHash.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

BITS = 7
"""Copies differ in so many bits of the hash at most."""
LEVELS = 6.0
"""And by so many levels of 255 on average, over luma and color at 16 x 16 pixels."""
_WIDE, _HIGH, _LOOK = 9, 8, 16


@dataclass(frozen=True)
class Print:
    """A photograph's fingerprint. `bits`: 64 of the hash; `look`: (16, 16, 3) uint8."""

    name: str
    bits: int
    look: NDArray[np.uint8]


def take_print(name: str, rgb: NDArray[np.uint8]) -> Print:
    """Take the fingerprint of (H, W, 3) uint8 sRGB."""
    image = Image.fromarray(rgb)
    gray = np.asarray(image.convert("L").resize((_WIDE, _HIGH), Image.Resampling.BOX), np.int16)
    rising = gray[:, 1:] > gray[:, :-1]
    look = np.asarray(image.resize((_LOOK, _LOOK), Image.Resampling.BOX))
    return Print(name, int.from_bytes(np.packbits(rising).tobytes(), "big"), look)


def find_copies(prints: Sequence[Print]) -> list[list[int]]:
    """Return groups of two and more positions that show one picture, each ascending, in the order of their first."""
    bits = np.array([one.bits for one in prints], np.uint64)
    parent = list(range(len(prints)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    # Hashes that differ in seven bits agree in one of eight bytes at least.
    for byte in range(BITS + 1):
        buckets: dict[int, list[int]] = defaultdict(list)
        for place, key in enumerate((bits >> np.uint64(8 * byte)) & np.uint64(0xFF)):
            buckets[int(key)].append(place)
        for places in buckets.values():
            for index, place in enumerate(places[:-1]):
                others = np.array(places[index + 1 :])
                near = others[_distances(bits[others] ^ bits[place]) <= BITS]
                for other in near:
                    if root(place) != root(int(other)) and _look_alike(prints[place], prints[int(other)]):
                        parent[max(root(place), root(int(other)))] = min(root(place), root(int(other)))
    groups: dict[int, list[int]] = defaultdict(list)
    for place in range(len(prints)):
        groups[root(place)].append(place)
    return [group for group in groups.values() if len(group) > 1]


def _look_alike(one: Print, other: Print) -> bool:
    return float(np.abs(one.look.astype(np.int16) - other.look).mean()) <= LEVELS


def _distances(differing: NDArray[np.uint64]) -> NDArray[np.intp]:
    """Count the bits of each number."""
    counts: NDArray[np.intp] = np.unpackbits(differing.view(np.uint8).reshape(-1, 8), axis=1).sum(1, dtype=np.intp)
    return counts
