"""Steady color: the chroma of a film, frame by frame, corrected by what the frames around each say of the same things.

Guesses of single frames flip: of a still shot the sky turns blue and brown. Here each frame's chroma is averaged with
that of its neighbors, aligned by dense flow, and held to a slow memory. All of it happens on pictures of SIDE x SIDE;
only the correction is enlarged, so that fine color stays the frame's own.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from colorrt.kernels.alignment import align_mean
from colorrt.kernels.anchor import begin_memory, hold_color
from colorrt.kernels.arrays import check_float32
from colorrt.kernels.cuts import DIFFERENT, Summary, is_cut, sum_up, tell_apart
from colorrt.kernels.enlarging import add_enlarged, move_enlarged
from colorrt.kernels.flow import find_flows
from colorrt.kernels.resize import resize_plane

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SIDE = 64
"""Side of the pictures that are compared; smaller ones stay as they are."""

WINDOW = 7
"""Frames before a frame and after it that have a say."""


@dataclass(frozen=True, eq=False)
class Steadied:
    """One frame with its chroma corrected, and what is needed to score that."""

    chroma: NDArray[np.float32]
    """(2, S, S), in the unit that came in."""
    raw: NDArray[np.float32] | None
    """(2, S, S): as it came in; None where it was not guessed."""
    luma: NDArray[np.float32]
    """(S, S), 0..1: as it came in."""
    back: NDArray[np.float32]
    """(2, s, s): flow to the frame before, pixels down and across of s x s, s at most SIDE."""
    onward: NDArray[np.float32]
    """(2, s, s): flow from the frame before to this one."""
    begins_shot: bool
    """Whether this is the first frame of all, or a cut lies before it."""


@dataclass(frozen=True, eq=False)
class Memory:
    """What `Steadier` has to know of the frames that it gave back to go on after them."""

    planes: NDArray[np.float32]
    """(n, s, s, 3) of the last n frames that were given back, oldest first, n at most WINDOW: raw U and V, and luma."""
    begins_shot: NDArray[np.bool_]
    """(n,): of each whether a shot begins with it."""
    guessed: NDArray[np.bool_]
    """(n,): of each whether it was guessed."""
    anchor: NDArray[np.float32]
    """(4, s, s): `colorrt.kernels.anchor`."""
    fine: NDArray[np.float32]
    """(2, S, S): what the last frame's chroma has beyond s x s; (2, 0, 0) where all were guessed."""


@dataclass(frozen=True, eq=False)
class _Pending:
    luma: NDArray[np.float32]
    chroma: NDArray[np.float32] | None


def _check(array: NDArray[np.float32], name: str, shape: tuple[int, ...]) -> None:
    check_float32(array, name)
    if array.shape != shape:
        raise ValueError(f"{name} has to be {shape}, got {array.shape}")


def must_guess(number: int, every: int, last: Summary | None, this: Summary) -> bool:
    """Return whether a frame is to be guessed, of which only one in `every` need be: those, and each that differs from
    the one before as frames at a cut do.

    number: of the frame in its film. last, this: `colorrt.kernels.cuts.sum_up` of the frame before (None: there is
    none) and of this one at SIDE x SIDE.
    """
    return number % every == 0 or last is None or tell_apart(last, this) >= DIFFERENT


class Steadier:
    """Steady the chroma of one film; frames go in, and come out in order, WINDOW frames later.

    Of each frame t with small luma Y_t (SIDE x SIDE, by the triangle filter) and small chroma C_t, the mean M_t of C
    over the frames t - WINDOW to t + WINDOW of its shot along the flow (`colorrt.kernels.alignment.align_mean`) is held
    to the shot's slow memory (`colorrt.kernels.anchor.hold_color`), and the difference to C_t, enlarged linearly, is
    added to the frame's own chroma. Shots end at cuts (`colorrt.kernels.cuts.is_cut`). Between frames that differ as
    those at a cut do, nothing is taken to move.

    size: side S of the square that the network sees. causal: nothing of later frames is used, and each frame is given
    back at once. memory: of a film up to some frame, by `memory`; what comes next is then the same to the bit as if the
    film had gone on without a pause. It may have been made with any `causal`.

    Not every frame has to be guessed, only the first of each shot (`must_guess`). One that was not has no say, takes M
    from its neighbors alone, and what they have beyond s x s from the last frame, moved along the flow back.

    Memory does not depend on the length of the film. One thread at a time may use it.
    """

    def __init__(self, size: int, *, causal: bool = False, memory: Memory | None = None) -> None:
        self._size = operator.index(size)
        if self._size < 1:
            raise ValueError(f"size has to be at least 1 pixel, got {size}")
        self._side = min(self._size, SIDE)
        self._ahead = 0 if causal else WINDOW
        slots, side = WINDOW + self._ahead + 1, self._side
        # Of each frame in its slot: U, V and luma, and the flows to its neighbors in time.
        self._planes = np.zeros((slots, 3, side, side), np.float32)
        self._onward = np.zeros((slots, 2, side, side), np.float32)
        self._back = np.zeros((slots, 2, side, side), np.float32)
        self._summaries: dict[int, Summary] = {}
        # Of each but the oldest: how different it is from the one before.
        self._distances: dict[int, float] = {}
        self._begins: dict[int, bool] = {}
        self._pending: dict[int, _Pending] = {}
        self._guessed = np.ones(slots, np.bool_)
        self._fine: NDArray[np.float32] | None = None
        self._last_luma = np.zeros((side, side), np.float32)
        self._anchor: NDArray[np.float32] | None = None
        # The next frame to come, and the next to be given back; the oldest that is known.
        self._next = self._due = self._oldest = 0
        if memory is not None:
            self._recall(memory)

    def push(self, luma: NDArray[np.float32], chroma: NDArray[np.float32] | None) -> list[Steadied]:
        """Take the next frame; return the one that is due, or nothing.

        luma: (S, S) float32, 0..1, as the network saw it. chroma: (2, S, S) float32; where it is not finite nothing is
        corrected but what its neighbors are. None where it was not guessed.
        Raises TypeError for other dtypes, ValueError for other shapes.
        """
        _check(luma, "luma", (self._size, self._size))
        if chroma is not None:
            _check(chroma, "chroma", (2, self._size, self._size))
        self._pending[self._next] = _Pending(luma, chroma)
        small = resize_plane(luma, self._side, self._side)
        if chroma is not None:
            self._take(np.stack([*(resize_plane(plane, self._side, self._side) for plane in chroma), small]), True)
        else:
            # In place of its own, until its neighbors say what it is.
            last = self._planes[(self._next - 1) % len(self._planes)]
            self._take(np.stack([last[0], last[1], small]), False)
        return [self._give()] if self._next > self._due + self._ahead else []

    def flush(self) -> Iterator[Steadied]:
        """Yield what is left at the end of the film. What is pushed afterwards belongs to it all the same."""
        while self._due < self._next:
            yield self._give()

    @property
    def memory(self) -> Memory | None:
        """What there is to know of the frames that were given back; None before the first.

        Frames that are still due are not in it: push them again, to a new `Steadier` with this memory.
        """
        if self._anchor is None:
            return None
        frames = range(max(self._oldest, self._due - WINDOW), self._due)
        slots = [frame % len(self._planes) for frame in frames]
        begins = np.array([self._begins[frame] for frame in frames], np.bool_)
        fine = np.zeros((2, 0, 0), np.float32) if self._fine is None else self._fine.copy()
        return Memory(
            self._planes[slots].transpose(0, 2, 3, 1), begins, self._guessed[slots], self._anchor.copy(), fine
        )

    def _recall(self, memory: Memory) -> None:
        count, side = len(memory.planes), self._side
        shapes = (memory.planes.shape, memory.begins_shot.shape, memory.guessed.shape, memory.anchor.shape)
        if shapes != ((count, side, side, 3), (count,), (count,), (4, side, side)) or count > WINDOW:
            raise ValueError(f"this memory is not of squares of {self._size} pixels: its shapes are {shapes}")
        for planes, begins, guessed in zip(memory.planes, memory.begins_shot, memory.guessed, strict=True):
            self._begins[self._next] = bool(begins)
            self._take(planes.transpose(2, 0, 1), bool(guessed))
        self._due = self._next
        self._anchor = memory.anchor.astype(np.float32)
        self._fine = memory.fine.astype(np.float32) if memory.fine.size else None

    def _take(self, planes: NDArray[np.float32], guessed: bool) -> None:
        frame, slots = self._next, len(self._planes)
        slot, last = frame % slots, (frame - 1) % slots
        self._planes[slot] = planes
        if not np.isfinite(planes).all():
            np.nan_to_num(self._planes[slot], copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        self._guessed[slot] = guessed
        luma = self._planes[slot, 2].copy()
        self._summaries[frame] = sum_up(luma)
        self._next += 1
        self._onward[last], self._back[slot] = 0.0, 0.0
        if frame > self._oldest:
            self._distances[frame] = tell_apart(self._summaries[frame - 1], self._summaries[frame])
            if self._distances[frame] < DIFFERENT:
                self._onward[last], self._back[slot] = find_flows(self._last_luma, luma)
        self._last_luma = luma
        if frame - self._oldest >= slots:
            self._forget(frame - slots)

    def _forget(self, frame: int) -> None:
        del self._summaries[frame], self._begins[frame]
        self._distances.pop(frame, None)
        self._oldest = frame + 1

    def _give(self) -> Steadied:
        frame, slots = self._due, len(self._planes)
        last = min(frame + self._ahead, self._next - 1)
        begins = self._begins[frame] = self._is_cut(frame, last) or self._anchor is None
        before, after = [], []
        for k in range(frame, self._oldest, -1):
            if self._begins[k] or frame - k == WINDOW:
                break
            before.append((k - 1) % slots)
        for k in range(frame + 1, last + 1):
            if self._is_cut(k, last):
                break
            after.append(k % slots)
        slot = frame % slots
        mean = align_mean(
            self._planes,
            self._onward,
            self._back,
            np.array(before, np.int64),
            np.array(after, np.int64),
            slot,
            self._guessed,
        )
        own = self._planes[slot]
        back, onward = self._back[slot].copy(), self._onward[(frame - 1) % slots].copy()
        if begins or self._anchor is None:
            self._anchor = begin_memory(own[2], mean)
        else:
            mean, self._anchor = hold_color(self._anchor, own[2], mean, back)
        pending = self._pending.pop(frame)
        self._due += 1
        chroma = self._enlarge(pending.chroma, own[:2], mean, back)
        return Steadied(chroma, pending.chroma, pending.luma, back, onward, begins)

    def _enlarge(
        self,
        guess: NDArray[np.float32] | None,
        own: NDArray[np.float32],
        mean: NDArray[np.float32],
        back: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Return the chroma of a frame, and remember what it has beyond s x s where the next one will ask."""
        if guess is None:
            shape = (2, self._size, self._size)
            fine = np.zeros(shape, np.float32) if self._fine is None else move_enlarged(self._fine, back)
            self._fine = fine
            return add_enlarged(fine, mean)
        next_slot = self._due % len(self._planes)
        # Of a causal film the next frame is not there yet.
        asked = self._due >= self._next or not self._guessed[next_slot]
        self._fine = add_enlarged(guess, -own) if asked else None
        return add_enlarged(guess, mean - own)

    def _is_cut(self, frame: int, last: int) -> bool:
        """Return whether a cut lies before a frame, as far as the frames up to `last` tell."""
        if self._distances.get(frame, 0.0) < DIFFERENT:
            # Which is said of most, and asked of each many times.
            return False
        first = max(self._oldest, self._due - WINDOW)
        return is_cut([self._summaries[k] for k in range(first, last + 1)], frame - first)
