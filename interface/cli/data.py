"""`colorrt data`: photographs into shards and splits, and what a set of them holds."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from colorrt.cli.app import MAKE, app, check_result_file, command, say, say_table, write_json
from colorrt.cli.layout import Group
from colorrt.cli.options import JsonFileOption
from colorrt.contract import StrEnum
from colorrt.errors import PictureError, UsageError

if TYPE_CHECKING:
    from colorrt.photos.audit import Audit

LISTED = 20
TRAIN, VALIDATION, TEST = "train.tar", "validation.tar", "test.tar"

data = typer.Typer(
    cls=Group,
    help="Pack and split photographs for training, and look at what a set of them holds.",
    epilog="colorrt data audit photos/\ncolorrt data split photos/ -o shards/\ncolorrt data cifar10 --help",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(data, name="data", rich_help_panel=MAKE)


class CifarSplit(StrEnum):
    """How the training pictures of CIFAR-10 are parted."""

    HUE = "hue"
    RANDOM = "random"


class Grays(StrEnum):
    """Which gray pictures are left out of training and validation."""

    KEEP = "keep"
    DROP = "drop"
    PUBLISHED = "published"


OutOption = Annotated[
    Path, typer.Option("-o", "--output", help="Folder for the shards; what is in it is kept.", metavar="FOLDER")
]
SeedOption = Annotated[int, typer.Option(help="Draws the order.", metavar="N", min=0)]


@command(
    None,
    "colorrt data cifar10 cifar-10-python.tar.gz -o shards/",
    "colorrt data cifar10 png/ -o shards/ --split random --grays keep",
    group=data,
)
def cifar10(
    source: Annotated[
        Path,
        typer.Argument(
            help="Folder or archive of the python batches, or of PNG files in train/CLASS and test/CLASS.",
            metavar="SOURCE",
        ),
    ],
    output: OutOption,
    split: Annotated[
        CifarSplit,
        typer.Option(help="hue: every tenth by mean hue is for validation, as KTH has it. random: a tenth drawn."),
    ] = CifarSplit.HUE,
    grays: Annotated[
        Grays,
        typer.Option(
            help="Gray pictures in training and validation. drop: without the 562 gray ones. published: without the "
            "first 582 by mean hue, as KTH's code."
        ),
    ] = Grays.PUBLISHED,
    seed: SeedOption = 24,
) -> None:
    """Pack CIFAR-10 into shards: train.tar, validation.tar, test.tar, members named CLASS/NAME.png.

    Nothing in the batches is executed. The test pictures stay as they are, gray ones too.
    """
    import numpy as np

    from colorrt.photos.cifar import read_cifar10
    from colorrt.photos.packing import check_new, encode_png, make_folder, write_shard
    from colorrt.photos.splits import PUBLISHED_GRAYS, is_gray, mean_hues, split_at_random, split_by_hue

    check_new(output, (TRAIN, VALIDATION, TEST))
    skipped = _Skipped()
    found = read_cifar10(source, skipped)
    make_folder(output)
    if "train" in found:
        tiles = found["train"]
        gray, hues = is_gray(tiles.pixels), mean_hues(tiles.pixels)
        order = np.argsort(hues, kind="stable")
        left_out = {
            Grays.KEEP: np.zeros(len(hues), bool),
            Grays.DROP: gray,
            Grays.PUBLISHED: np.isin(np.arange(len(hues)), order[:PUBLISHED_GRAYS]),
        }[grays]
        kept = np.flatnonzero(~left_out)
        if split == CifarSplit.HUE:
            train, held = (kept[places] for places in split_by_hue(hues[kept], 0, seed))
        else:
            train, held = split_at_random(kept, seed)
        say(f"{int(gray.sum())} of {len(hues)} training pictures are gray; {int(left_out.sum())} left out", err=False)
        for name, places in ((TRAIN, train), (VALIDATION, held)):
            write_shard(output / name, ((tiles.names[place], encode_png(tiles.pixels[place])) for place in places))
            say(f"{output / name}: {len(places)} pictures", err=False)
    if "test" in found:
        tiles = found["test"]
        write_shard(output / TEST, zip(tiles.names, map(encode_png, tiles.pixels), strict=True))
        say(f"{output / TEST}: {len(tiles.names)} pictures", err=False)
    skipped.end()


@command(None, "colorrt data split photos/ -o shards/", "colorrt data split photos/ -o shards/ --drop-gray", group=data)
def split(
    source: Annotated[
        Path, typer.Argument(help="Folder or tar shard; the first folder in a name is its class.", metavar="PHOTOS")
    ],
    output: OutOption,
    shares: Annotated[
        str, typer.Option(help="Percent for training, validation and test.", metavar="N:N:N")
    ] = "80:10:10",
    drop_gray: Annotated[bool, typer.Option("--drop-gray", help="Leave out gray and nearly gray pictures.")] = False,
    seed: SeedOption = 1,
) -> None:
    """Split photographs into train.tar, validation.tar and test.tar, each class alike.

    Files are packed as they are, under their names. Pictures that cannot be read are left out and named.
    """
    from colorrt.photos.audit import NEAR_GRAY, mean_chroma
    from colorrt.photos.packing import check_new, make_folder, write_shard
    from colorrt.photos.reading import decode_photos, list_photos, load_photos
    from colorrt.photos.splits import labels_of, split_by_class

    parts = _read_shares(shares)
    check_new(output, (TRAIN, VALIDATION, TEST))
    skipped = _Skipped()
    kept, gray = [], 0
    for entry, picture in decode_photos(list_photos(source)):
        if isinstance(picture, PictureError):
            skipped(entry.name, str(picture))
        elif drop_gray and mean_chroma(picture) < NEAR_GRAY:
            gray += 1
        else:
            kept.append(entry)
    if not kept:
        raise UsageError(f"{source}: no photographs to split; name a folder or a tar shard with some")
    make_folder(output)
    if drop_gray:
        say(f"{gray} gray or nearly gray pictures left out", err=False)
    for name, places in zip(
        (TRAIN, VALIDATION, TEST), split_by_class(labels_of([entry.name for entry in kept]), parts, seed), strict=True
    ):
        count = write_shard(output / name, load_photos([kept[place] for place in places]))
        say(f"{output / name}: {count} pictures", err=False)
    skipped.end()


@command(None, "colorrt data audit photos/", "colorrt data audit photos/ --hues hues.png --json audit.json", group=data)
def audit(
    source: Annotated[Path, typer.Argument(help="Folder or tar shard of photographs.", metavar="PHOTOS")],
    hues: Annotated[
        Path | None, typer.Option(help="Draw the histogram of hues as PNG.", metavar="FILE", show_default=False)
    ] = None,
    json_file: JsonFileOption = None,
) -> None:
    """Show what a set of photographs holds: counts, gray and nearly gray ones, copies, hues.

    Copies are found by a perceptual hash, whatever their size and compression. Exit code 1 when a picture cannot be
    read.
    """
    from colorrt.atomic import atomic_path
    from colorrt.photos.audit import audit_photos
    from colorrt.photos.hue_picture import draw_hues

    for path in (hues, json_file):
        if path is not None and path.exists():
            raise UsageError(f"{path}: is there already; name another file, or remove it first")
        check_result_file(path)
    found = audit_photos(source)
    if not found.pictures and not found.unread:
        raise UsageError(f"{source}: no photographs here; name a folder or a tar shard with some")
    _say_audit(found)
    if hues is not None:
        with atomic_path(hues, UsageError) as part:
            draw_hues({f"{source.name}: {found.pictures} pictures": found.hues}).save(part, "PNG")
    write_json(json_file, asdict(found))
    if found.unread:
        raise typer.Exit(1)


def _say_audit(found: Audit) -> None:
    rows = [("pictures", str(found.pictures))]
    if found.short_sides is not None:
        rows.append(("short side", "{} to {} pixels, median {}".format(*(found.short_sides[i] for i in (0, 2, 1)))))
    rows += [
        ("gray", _names(found.gray)),
        ("nearly gray", _names(found.near_gray)),
        ("copies", f"{sum(len(group) - 1 for group in found.copies)} in {len(found.copies)} groups"),
    ]
    if len(found.classes) > 1:
        most = Counter(found.classes).most_common(LISTED)
        rest = f" and {len(found.classes) - LISTED} more" if len(found.classes) > LISTED else ""
        rows.append(("folders", ", ".join(f"{name or '.'} {count}" for name, count in most) + rest))
    say_table(rows)
    for group in found.copies[:LISTED]:
        say("  the same: " + ", ".join(group[:6]) + (" and more" if len(group) > 6 else ""), err=False)
    if len(found.copies) > LISTED:
        say("  more of these stand in --json FILE", err=False)
    # Three parts of the histogram a column: 30 degrees.
    shares = [sum(found.hues[place : place + 3]) for place in range(0, len(found.hues), 3)]
    say("hue, degrees from" + "".join(f"{30 * place:>5}" for place in range(len(shares))), err=False)
    say("share of chroma  " + "".join(f"{share:>5.0%}" for share in shares), err=False)
    for name, reason in list(found.unread.items())[:LISTED]:
        say(f"cannot be read: {name}: {reason}")
    if len(found.unread) > LISTED:
        say(f"cannot be read: {len(found.unread) - LISTED} more; --json FILE lists them all")


def _names(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f"{len(names)}" + (f" ({shown})" if names else "")


def _read_shares(text: str) -> tuple[float, float, float]:
    try:
        train, held, test = (float(part) for part in text.split(":"))
    except ValueError:
        train = held = test = -1.0
    whole = train + held + test
    if not (train > 0 and held >= 0 and test >= 0 and whole < float("inf")):
        raise UsageError(f"--shares {text!r} is not three numbers such as 80:10:10")
    return train / whole, held / whole, test / whole


class _Skipped:
    """Names what is left out, up to a number, and ends with exit code 1 when anything was."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, name: str, reason: str) -> None:
        self._count += 1
        if self._count <= LISTED:
            say(f"skipped {name}: {reason}")

    def end(self) -> None:
        if self._count > LISTED:
            say(f"skipped {self._count - LISTED} more")
        if self._count:
            raise typer.Exit(1)
