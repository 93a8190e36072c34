"""What is to be said of a result: pages that stayed as they were, frames left out, no mark, a source that is gone."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass


class NoteKind(enum.Enum):
    """What a note is about, for counting."""

    PAGES_IN_COLOR = "pages in color"
    FIRST_FRAME = "first frame"
    UNMARKED = "unmarked"
    OF_BEFORE = "of before"


@dataclass(frozen=True)
class Note:
    """One thing to be said of one result. `text`: in words. `count`: pages. `what`: the format, for UNMARKED; the
    result, for OF_BEFORE."""

    kind: NoteKind
    text: str
    count: int = 1
    what: str = ""


def note_pages_in_color(count: int, pages: int) -> Note:
    """Say that some pages of a file were in color already."""
    return Note(NoteKind.PAGES_IN_COLOR, f"{count} of {pages} pages {_left(count).split(maxsplit=1)[1]}", count)


def note_first_frame(frames: int) -> Note:
    """Say that of an animation the first frame is colored. `frames`: how many it has, 0 for an unknown number."""
    of = f"{frames} frames" if frames else "its frames"
    return Note(NoteKind.FIRST_FRAME, f"animated: only the first of {of} is colored")


def note_unmarked(name: str) -> Note:
    """Say that the result carries no mark. `name`: of its format."""
    return Note(NoteKind.UNMARKED, f"no mark: {name} cannot hold one", what=name)


def note_of_before(result: str) -> Note:
    """Say that a result stays that was made of another picture, which one in color has replaced."""
    return Note(NoteKind.OF_BEFORE, f"{result}: of an earlier picture, which one in color has replaced", what=result)


def describe_notes(notes: Iterable[Note]) -> list[str]:
    """Count notes by kind, a line for each kind: "2 results carry no mark: BMP and TGA cannot hold one"."""
    of: dict[NoteKind, list[Note]] = {kind: [] for kind in NoteKind}
    for note in notes:
        of[note.kind].append(note)
    lines = []
    if kept := of[NoteKind.PAGES_IN_COLOR]:
        pages = sum(note.count for note in kept)
        files = "1 file" if len(kept) == 1 else f"{len(kept)} files"
        lines.append(f"{pages} {_left(pages)}, in {files} (--recolor colors {'it' if pages == 1 else 'them'})")
    if len(animated := of[NoteKind.FIRST_FRAME]) == 1:
        lines.append(animated[0].text)
    elif animated:
        lines.append(f"{len(animated)} are animated: only the first frame of each is colored")
    if unmarked := of[NoteKind.UNMARKED]:
        names = sorted({note.what for note in unmarked})
        listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
        carry = "1 result carries" if len(unmarked) == 1 else f"{len(unmarked)} results carry"
        lines.append(f"{carry} no mark: {listed} cannot hold one")
    if len(old := of[NoteKind.OF_BEFORE]) == 1:
        lines.append(old[0].text)
    elif old:
        lines.append(f"{len(old)} results are of earlier pictures, which others in color have replaced (--report FILE)")
    return lines


def _left(pages: int) -> str:
    return "page is in color already: left as it is" if pages == 1 else "pages are in color already: left as they are"
