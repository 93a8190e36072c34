"""Whether results at a store are still what their journal says."""

from __future__ import annotations

from colorrt.errors import PictureError
from colorrt.runtime.fixity import Fixity
from colorrt.runtime.journal import Row
from colorrt.runtime.remote.store import Place


def fixity_of(place: Place, row: Row) -> Fixity:
    """Read a result again and compare it with its row."""
    try:
        digest = place.digest(row.target)
    except PictureError:
        return Fixity.UNREADABLE
    if digest is None:
        return Fixity.MISSING
    if row.target_was is None or not row.target_was.sha256:
        return Fixity.PROBABLY_SAME
    return Fixity.SAME if digest == row.target_was.sha256 else Fixity.CHANGED
