"""The one pipeline: inputs are read ahead, guessed in batches and written behind, in order.

Two threads read, the caller's thread runs the network, two threads write; the slowest of the three alone sets the pace,
and the memory of pictures under way is bounded. What an input is, a still, a TIFF of pages or a film, is its passage's
business.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from colorrt.runtime.colorizer import Square
from colorrt.runtime.memory_budget import MemoryBudget
from colorrt.runtime.passage import NOT_GUESSED, Content, End, Ended, Passage, Read, Track

READERS = WRITERS = 2
DEPTH = 2
"""Inputs read ahead of the network, and written behind it: enough to keep the slowest of the three busy."""

MOST = 4
"""Frames that are gathered at most for each one of a batch, where some do not ask the network."""

Guess = Callable[[list[Square]], NDArray[np.float32]]


def run_passages(
    passages: Iterable[Passage[Content, Ended]], guess: Guess, batch: int = 1, budget: MemoryBudget | None = None
) -> Generator[Ended, None, None]:
    """Take every passage from its source to its sink; yield what became of each, in order, as it ends.

    guess: squares to chroma (N x 2 x S x S float32), called from the caller's thread alone. batch: the most squares at
    a time; fewer where no more have been read yet, for nothing waits for a batch to fill. budget: of their memory.

    What a passage raises is handed to its own `end`; what `guess` raises ends the run and leaves this function, as does
    an interrupt: sinks that have all their frames finish, and what became of those is yielded first; the others are
    told to stop.
    """
    budget = budget or MemoryBudget()
    coming = enumerate(passages)
    tracks: deque[Track[Content, Ended]] = deque()
    ended: list[tuple[Track[Content, Ended], End]] = []
    writing: deque[Future[Ended]] = deque()
    with ThreadPoolExecutor(READERS, "read") as readers, ThreadPoolExecutor(WRITERS, "write") as writers:

        def read_ahead() -> None:
            while len(tracks) < DEPTH + batch and (found := next(coming, None)) is not None:
                turn, passage = found
                tracks.append(Track(passage, turn, budget, max(DEPTH, batch)))
                readers.submit(tracks[-1].read)

        def gather() -> list[tuple[Track[Content, Ended], Read[Content]]]:
            """Take the frames of the next batch, and note the tracks that end behind them."""
            frames: list[tuple[Track[Content, Ended], Read[Content]]] = []
            while tracks and sum(read.frame.asks for _, read in frames) < batch and len(frames) < MOST * batch:
                track = tracks[0]
                found = track.take(wait=not frames)
                if found is None:
                    break
                if isinstance(found, Read):
                    if track.admitted or _admit(track, found, writing, writers):
                        frames.append((track, found))
                    else:
                        track.deliver(found, None)
                    continue
                tracks.popleft()
                if not track.admitted:
                    writing.append(_settled(track.passage.end(found.error)))
                ended.append((track, found))
                read_ahead()
                if not frames:
                    break
            return frames

        try:
            read_ahead()
            while tracks:
                _guess_and_deliver(gather(), guess)
                for track, end in ended:
                    track.finish(end)
                ended.clear()
                while writing and (not tracks or len(writing) > DEPTH or writing[0].done()):
                    yield _next_of(writing)
        except BaseException as error:
            budget.close()
            for track in (*tracks, *(track for track, _ in ended)):
                track.close()
            readers.shutdown(cancel_futures=True)
            writers.shutdown(cancel_futures=True)
            # Nobody hears of them who has closed this generator.
            if not isinstance(error, GeneratorExit):
                yield from (future.result() for future in writing if _is_of_whole(future))
            raise


def _guess_and_deliver(frames: list[tuple[Track[Content, Ended], Read[Content]]], guess: Guess) -> None:
    # A function of its own: names that lived on would keep luma in memory while its share of the budget is given back.
    # A sink may have ended before its source: on a full disk.
    wanted = [read for track, read in frames if not track.closed and read.frame.asks]
    guessed = iter(guess([read.frame.square for read in wanted]) if wanted else ())
    for track, read in frames:
        track.deliver(read, next(guessed) if read in wanted else None if read.frame.asks else NOT_GUESSED)


def _admit(
    track: Track[Content, Ended], first: Read[Content], writing: deque[Future[Ended]], writers: ThreadPoolExecutor
) -> bool:
    """Let the sink of a track begin, unless its passage refuses."""
    track.admitted = True
    try:
        track.passage.admit(first.frame)
    except Exception as error:
        track.close()
        writing.append(_settled(track.passage.end(error)))
        return False
    writing.append(writers.submit(track.write))
    return True


def _next_of(writing: deque[Future[Ended]]) -> Ended:
    # Taken away only when it is known: an interrupt comes while it is waited for.
    result = writing[0].result()
    writing.popleft()
    return result


def _is_of_whole(future: Future[Ended]) -> bool:
    """Whether a sink, done or cancelled, has ended by itself."""
    return not future.cancelled() and future.exception() is None


def _settled(result: Ended) -> Future[Ended]:
    future: Future[Ended] = Future()
    future.set_result(result)
    return future
