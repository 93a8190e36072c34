"""`colorrt journal`: what a folder of results holds, whether it still does, and journals of several machines as one."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from colorrt.cli.app import COLORIZE, app, check_result_file, command, say, say_table, write_json
from colorrt.cli.layout import Group
from colorrt.cli.options import JsonFileOption
from colorrt.cli.remote import journal_folder, results_verified

if TYPE_CHECKING:
    from colorrt.runtime.journal import Journal, Making

LISTED = 20

journal = typer.Typer(
    cls=Group,
    help="Show, verify and merge the journals that 'colorrt run' keeps in folders of results.",
    epilog="colorrt journal show out/\ncolorrt journal verify out/\ncolorrt journal merge all/ out-1/ out-2/",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(journal, name="journal", rich_help_panel=COLORIZE)

FolderArgument = Annotated[str, typer.Argument(help="A folder of results, or its address.", metavar="FOLDER")]


@command(None, "colorrt journal show out/", group=journal)
def show(folder: FolderArgument, json_file: JsonFileOption = None) -> None:
    """Show what was done: rows, results, outcomes, settings, first and last time."""
    from colorrt.runtime.fixity import summarize_journal
    from colorrt.runtime.journal import OWN_FOLDER
    from colorrt.runtime.remote.address import is_address

    with journal_folder(folder) as place:
        found, summary = summarize_journal(place)
        _check_json(json_file, found)
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in summary.outcomes.items())
    torn = f", {summary.torn} torn lines passed over" if summary.torn else ""
    say_table(
        [
            ("journal", f"{folder}/{OWN_FOLDER}" if is_address(folder) else str(found.path)),
            ("rows", f"{summary.rows} ({outcomes or 'none'}){torn}"),
            ("results", str(summary.results)),
            ("from", summary.first or "never"),
            ("to", summary.last or "never"),
            *(
                (
                    "made with",
                    f"{count}: {making.model} at render factor {making.render_factor}, saturation "
                    f"{making.saturation:g}, {making.upsample}, {making.film or _quality_of(making)}, "
                    f"colorrt {making.version}",
                )
                for making, count in summary.makings
            ),
        ]
    )
    makings = [asdict(making) | {"results": count} for making, count in summary.makings]
    write_json(json_file, asdict(replace(summary, makings=())) | {"makings": makings})


@command(None, "colorrt journal verify out/", "colorrt journal verify out/ --json fixity.json", group=journal)
def verify(folder: FolderArgument, json_file: JsonFileOption = None) -> None:
    """Read every result again and compare it with the digest that was taken when it was made.

    Exit code 1 when a result is missing, changed or unreadable.
    """
    from colorrt.runtime.fixity import Fixity, open_journal

    counts: Counter[Fixity] = Counter()
    table = []
    with journal_folder(folder) as place:
        found = open_journal(place)
        _check_json(json_file, found)
        for row, fixity in results_verified(folder, found):
            counts[fixity] += 1
            table.append({"target": row.target, "fixity": fixity.name.lower(), "source": row.source})
            lost = sum(count for one, count in counts.items() if not one.sound)
            if not fixity.sound and lost <= LISTED:
                say(f"{fixity.value}: {folder.rstrip('/')}/{row.target}")
            if lost == LISTED + 1 and not fixity.sound:
                say("more of these are only counted; --json FILE lists them all")
    parts = [f"{counts[fixity]} {fixity.value}" for fixity in Fixity if counts[fixity]]
    say(f"{len(table)} results: {', '.join(parts) or 'none was made yet'}", err=False)
    write_json(json_file, table)
    if any(not fixity.sound for fixity in counts):
        raise typer.Exit(1)


@command(None, "colorrt journal merge all/ machine-1/out machine-2/out", group=journal)
def merge(
    into: Annotated[str, typer.Argument(help="The folder whose journal gets the rows.", metavar="INTO")],
    others: Annotated[list[str], typer.Argument(help="Folders of results, or addresses.", metavar="FOLDERS")],
) -> None:
    """Merge journals of several machines, such as those of --shard, into that of one folder.

    Only journals are merged: move or copy the results themselves with what you copy files with. Merging twice adds
    nothing.
    """
    from colorrt.errors import UsageError
    from colorrt.runtime.fixity import merge_journals
    from colorrt.runtime.remote.address import is_address

    if is_address(into):
        raise UsageError(f"{into}: the journal of an address is one already; merge it into that of a folder")
    with ExitStack() as stack:
        folders = [stack.enter_context(journal_folder(name)) for name in (into, *others)]
        added, several = merge_journals(folders[0], folders[1:])
    say(f"{added} rows added to the journal of {into}", err=False)
    if several:
        say(f"{several} results have rows of more than one source; the last one counts")


def _quality_of(making: Making) -> str:
    return "gray JPEGs keep their coded luma" if making.quality is None else f"quality {making.quality}"


def _check_json(path: Path | None, journal: Journal) -> None:
    """Raise UsageError when the figures would take the place of the journal, or of what it stands for."""
    check_result_file(path, [journal.path, *(journal.folder / target for target in journal.targets())])
