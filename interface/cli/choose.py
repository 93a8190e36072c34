"""`colorrt eval --choose A B`, `--turing PAGE`: the pages on which people judge."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from colorrt.cli.app import announce_compiling, check_result_file, needs, say

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = Path("choose.html")


def write_page(
    photos: Path,
    models: Sequence[Path] | None,
    turing: Path | None,
    page: Path | None,
    engine: Path | None,
    **settings: Any,
) -> None:
    """Write the page of a choice between `models`, or to `turing` that of the human test; see below."""
    if models is not None:
        choose(photos, models, page, **settings)
    elif turing is not None:
        ask_people(photos, turing, engine, **settings)


def choose(photos: Path, models: Sequence[Path], page: Path | None, **settings: Any) -> None:
    """Write the page of a blind choice between two models.

    `settings`: as of `make_choice`. Raises what it raises, and UsageError when the page cannot be written.
    """
    try:
        from colorrt.evaluation.choice_page import write_choice
        from colorrt.evaluation.choosing import make_choice
    except ImportError as error:
        raise needs("eval", error) from error
    from colorrt.atomic import atomic_path
    from colorrt.errors import UsageError

    page = page or PAGE
    check_result_file(page, (photos, *models))
    announce_compiling()
    first, second = models
    choice = make_choice(
        photos, first, second, on_skip=lambda name, reason: say(f"skipped {name}: {reason}"), **settings
    )
    with atomic_path(page, UsageError) as part:
        write_choice(part, choice)
    typer.echo(f"{page}: {len(choice.pairs)} pairs; open it in a browser")


def ask_people(
    photos: Path, page: Path, engine: Path | None, *, saturation: float | None, seed: int, most: int, **settings: Any
) -> None:
    """Write the page of the papers' human test: each photograph as it is, or colored.

    `settings`: as of `Colorizer`. Raises what it raises, and UsageError when the page cannot be written.
    """
    try:
        from colorrt.evaluation.turing import make_turing_test
        from colorrt.evaluation.turing_page import write_turing
    except ImportError as error:
        raise needs("eval", error) from error
    from colorrt.atomic import atomic_path
    from colorrt.errors import UsageError
    from colorrt.runtime.colorizer import Colorizer

    check_result_file(page, [path for path in (photos, engine) if path is not None])
    announce_compiling()
    with Colorizer(engine, **settings) as colorizer:
        test = make_turing_test(
            photos,
            colorizer,
            saturation,
            seed=seed,
            most=most,
            on_skip=lambda name, reason: say(f"skipped {name}: {reason}"),
        )
    with atomic_path(page, UsageError) as part:
        write_turing(part, test)
    real = sum(question.real for question in test.questions)
    typer.echo(f"{page}: {len(test.questions)} pictures, {real} of them real; open it in a browser")
