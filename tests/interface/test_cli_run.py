"""`colorrt run` and its neighbors as a person uses them: what they write, print and return."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from colorrt.contract import Contract

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.testing import Result

    Command = Callable[..., Result]
    Save = Callable[..., Path]

HEADER = "tiny at render factor 1, fp32, ONNX Runtime "


def files(folder: Path) -> list[str]:
    """Files of a folder, but for the journals that runs keep."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.parent.name != ".colorrt")
    return sorted(str(path.relative_to(folder)) for path in found)


def is_color(path: Path) -> bool:
    with Image.open(path) as image:
        red, _, blue = image.convert("RGB").resize((1, 1)).getpixel((0, 0))  # type: ignore[misc]  # three channels: a tuple
    return bool(red - blue > 10)


def test_single_picture_gets_its_result_beside_it(run: Command, save_gray: Save, tmp_path: Path) -> None:
    save_gray(tmp_path / "old.jpg")
    result = run("old.jpg")
    assert result.exit_code == 0
    assert result.stdout == "1 colored: old-color.jpg\n"
    assert result.stderr.startswith(HEADER)
    assert len(result.stderr.splitlines()) == 1
    assert files(tmp_path) == ["old-color.jpg", "old.jpg"]
    assert is_color(tmp_path / "old-color.jpg")


def test_folder_is_mirrored(run: Command, save_gray: Save, tmp_path: Path) -> None:
    for name in ("a.jpg", "sub/b.png", "sub/deep/c.tif"):
        save_gray(tmp_path / "photos" / name)
    result = run("photos/", "-o", "out/")
    assert (result.exit_code, result.stdout) == (0, "3 colored, in out\n")
    assert files(tmp_path / "out") == ["a.jpg", "sub/b.png", "sub/deep/c.tif"]
    assert len(result.stderr.splitlines()) == 1


def test_second_run_skips_and_overwrite_colors_again(run: Command, save_gray: Save, tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        save_gray(tmp_path / "photos" / name)
    assert run("photos").stdout == "2 colored, in photos-color\n"
    again = run("photos")
    assert (again.exit_code, again.stdout) == (
        0,
        "0 colored; 2 skipped: done before\n",
    )
    before = (tmp_path / "photos-color/a.jpg").read_bytes()
    assert run("photos", "--overwrite", "--saturation", "0").stdout == "2 colored, in photos-color\n"
    assert (tmp_path / "photos-color/a.jpg").read_bytes() != before
    assert not is_color(tmp_path / "photos-color/a.jpg")


def test_shells_glob_may_be_run_twice(run: Command, save_gray: Save, tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        save_gray(tmp_path / name)
    for answer in ("2 colored, beside their originals", "0 colored; 2 skipped"):
        result = run(*sorted(path.name for path in tmp_path.glob("*.jpg")))
        assert result.exit_code == 0
        assert result.stdout.startswith(answer)
    assert files(tmp_path) == ["a-color.jpg", "a.jpg", "b-color.jpg", "b.jpg"]


def test_folders_that_got_the_results_are_told(run: Command, save_gray: Save, tmp_path: Path) -> None:
    for name in ("a/1.jpg", "a/sub/2.jpg", "b/sub/3.jpg", "c.jpg"):
        save_gray(tmp_path / name)
    assert run("a", "b").stdout == "3 colored, in a-color, b-color/sub\n"


def test_quoted_glob_and_named_output(run: Command, save_gray: Save, tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg", "c.png"):
        save_gray(tmp_path / name)
    assert run("*.jpg", "-o", "out").stdout == "2 colored, in out\n"
    assert run("c.png", "-o", "new/name.webp").stdout == "1 colored: new/name.webp\n"
    with Image.open(tmp_path / "new/name.webp") as image:
        assert image.format == "WEBP"


def test_result_that_had_to_become_png_is_told(run: Command, save_gray: Save, tmp_path: Path) -> None:
    save_gray(tmp_path / "old.gif")
    assert run("old.gif").stdout == "1 colored: old-color.png\n"


def test_quiet_prints_nothing_but_errors(run: Command, save_gray: Save, tmp_path: Path) -> None:
    save_gray(tmp_path / "a.jpg")
    assert run("a.jpg", "--quiet").output == ""
    assert run("a.jpg", "-q").output == ""
    result = run("nothing.jpg", "-q")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "failed: nothing.jpg: no such file or folder; check the path\n"


def test_failures_are_listed_and_the_good_ones_done(run: Command, save_gray: Save, tmp_path: Path) -> None:
    save_gray(tmp_path / "photos/a.jpg")
    save_gray(tmp_path / "photos/c.jpg")
    (tmp_path / "photos/b.jpg").write_text("Dear all,", encoding="utf-8")
    result = run("nothing.jpg", "photos", "nothing.jpg", "photos/b.jpg", "-o", "out", "--report", "report.json")
    assert result.exit_code == 1
    assert result.stdout == "2 colored, in out; 2 failed\n"
    _, *failures = result.stderr.splitlines()
    assert failures[0] == "failed: nothing.jpg: no such file or folder; check the path"
    assert failures[1].startswith("failed: photos/b.jpg: ")
    assert len(failures) == 2
    assert files(tmp_path / "out") == ["a.jpg", "c.jpg"]

    rows = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert [row["outcome"] for row in rows] == ["failed", "done", "failed", "done"]
    assert rows[1]["source"] == "photos/a.jpg"
    assert rows[1]["target"] == "out/a.jpg"
    assert rows[1]["reason"] is None
    assert rows[1]["seconds"] > 0
    assert "b.jpg" in rows[2]["reason"]


def test_long_list_of_failures_is_cut_and_counted(run: Command, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(23):
        (tmp_path / f"photos/{number:02}.jpg").write_bytes(b"")
    result = run("photos", "--report", "report.json")
    assert result.exit_code == 1
    _, *failures = result.stderr.splitlines()
    assert len(failures) == 21
    assert failures[-1] == "failed: 3 more; --report FILE lists them all"
    assert result.stdout == "0 colored; 23 failed\n"
    assert len(json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))) == 23


def test_strange_file_names_are_printed_on_one_line(run: Command, save_gray: Save, tmp_path: Path) -> None:
    name = os.fsdecode(b"two\nlines \x1b[31m\xff [bold].jpg")
    try:
        save_gray(tmp_path / name)
    except OSError:
        pytest.skip("this file system takes no such names")
    save_gray(tmp_path / "plain.jpg")
    result = run(name)
    assert result.exit_code == 0
    assert result.stdout == "1 colored: two\\nlines \\x1b[31m\\udcff [bold]-color.jpg\n"
    (tmp_path / name).write_bytes(b"")
    result = run(name, "plain.jpg", "--overwrite", "--report", "report.json")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 2
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))[0]["source"] == name


def test_interrupt_returns_130_and_one_line(
    run: Command, save_gray: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from colorrt.runtime.colorizer import Colorizer

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    save_gray(tmp_path / "photos/a.jpg")
    monkeypatch.setattr(Colorizer, "guess", interrupted)
    result = run("photos")
    assert result.exit_code == 130
    assert result.stderr.splitlines()[1:] == [
        "interrupted: 0 colored, 1 to go; nothing is half-written; run the same command again to go on"
    ]
    assert files(tmp_path) == ["photos/a.jpg"]


def test_signal_of_the_keyboard_ends_the_process_with_130(tiny_onnx: Path, save_gray: Save, tmp_path: Path) -> None:
    # The signal is sent by the process itself, before its third picture: no sleeping, no guessing.
    for number in range(6):
        save_gray(tmp_path / f"photos/{number}.png")
    program = """
import os, signal, sys
from colorrt.cli import main
from colorrt.runtime.colorizer import Colorizer
guess, calls = Colorizer.guess, iter(range(99))
def interrupted(*arguments):
    if next(calls) == 2:
        os.kill(os.getpid(), signal.SIGINT)
    return guess(*arguments)
Colorizer.guess = interrupted
main()
"""
    answer = subprocess.run(
        [sys.executable, "-c", program, "run", "photos", "--engine", tiny_onnx, "--render-factor", "1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        # A parent that ignores the signal, as some runners do, would pass that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert answer.returncode == 130
    assert answer.stdout == ""
    (said,) = answer.stderr.splitlines()[1:]
    assert re.fullmatch(
        r"interrupted: \d colored, \d to go; nothing is half-written; run the same command again to go on", said
    )
    written = files(tmp_path / "photos-color")
    assert set(written) < {f"{number}.png" for number in range(6)}
    for name in written:
        assert is_color(tmp_path / "photos-color" / name)


def test_interrupt_in_a_folder_keeps_what_is_whole(
    run: Command, save_gray: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from colorrt.runtime.colorizer import Colorizer

    for number in range(6):
        save_gray(tmp_path / f"photos/{number}.png")
    real, calls = Colorizer.guess, iter(range(99))

    def interrupted(self: Colorizer, squares: Any) -> Any:
        if next(calls) == 4:
            raise KeyboardInterrupt
        return real(self, squares)

    monkeypatch.setattr(Colorizer, "guess", interrupted)
    assert run("photos").exit_code == 130
    monkeypatch.undo()
    os.chdir(tmp_path)
    written = files(tmp_path / "photos-color")
    assert all(is_color(tmp_path / "photos-color" / name) for name in written)
    assert run("photos").exit_code == 0
    assert files(tmp_path / "photos-color") == [f"{number}.png" for number in range(6)]


def test_progress_is_drawn_where_a_terminal_shows_it(save_gray: Save, tmp_path: Path) -> None:
    import rich.console

    from colorrt.cli.progress import Progress
    from colorrt.runtime.folder import Outcome, Result
    from colorrt.runtime.jobs import Job

    jobs = [Job(Path(name), Path("out") / name) for name in ("[bold]a.jpg", "[red]b.jpg")]
    with pytest.MonkeyPatch.context() as patch, (tmp_path / "terminal").open("w+", encoding="utf-8") as stream:
        real = rich.console.Console
        patch.setattr(rich.console, "Console", lambda **_: real(file=stream, force_terminal=True, width=120))
        with Progress(len(jobs), hidden=False) as progress:
            for _ in progress.follow(Result(job, Outcome.DONE) for job in jobs):
                progress._bar.refresh()
        with Progress(len(jobs), hidden=True) as progress:
            list(progress.follow([Result(Job(Path("hidden.jpg"), Path("out")), Outcome.DONE)]))
        stream.seek(0)
        shown = stream.read()
    assert "[bold]a.jpg" in shown
    assert "[red]b.jpg" in shown
    assert "1/2" in shown
    assert "hidden.jpg" not in shown


def test_info_prints_a_table_or_json(colorrt: Command, tiny_onnx: Path, make_onnx: Command, tmp_path: Path) -> None:
    table = colorrt("info", tiny_onnx)
    assert table.exit_code == 0
    rows = dict(line.split("  ", 1) for line in table.stdout.splitlines())
    assert {name: value.strip() for name, value in rows.items()} == {
        "file": "tiny.onnx, ONNX, 0.0 MB",
        "model": "tiny",
        "render factor": "any",
        "square": "any multiple of 16",
        "precision": "fp32",
        "attention": "plain",
        "batch size": "1 to any",
        "saturation": "1",
        "parity with PyTorch": "not measured",
        "weights": f"sha256 {'0' * 64}",
        "opset": "18",
        "made by": "tests",
    }
    bare = Contract("tiny", None, "fp32", None, (1, None), 1.0, "0" * 64, 18, "tests")
    make_onnx(tmp_path / "bare.onnx", contract=bare)
    assert "attention            none" in colorrt("info", "bare.onnx").stdout
    assert json.loads(colorrt("info", "bare.onnx", "--json").stdout)["attention"] is None
    make_onnx(tmp_path / "two.onnx", render_factor=2)
    assert "32 x 32" in colorrt("info", "two.onnx").stdout
    contract = json.loads(colorrt("info", "two.onnx", "--json").stdout)
    assert (contract["model"], contract["size"]) == ("tiny", 32)


def test_models_and_doctor_answer(colorrt: Command) -> None:
    models = colorrt("models")
    assert models.exit_code == 0
    for name in ("lite", "deoldify-artistic", "deoldify-wide", "shipped: lite"):
        assert name in models.stdout
    card = Path(models.stdout.split("known weaknesses: ")[1].strip())
    assert card.read_text(encoding="utf-8").startswith("# `lite`")
    assert card.with_name("failures.jpg").is_file()
    doctor = colorrt("doctor")
    assert doctor.exit_code == 0
    assert "run will use" in doctor.stdout


def test_version_and_help_answer(colorrt: Command) -> None:
    from colorrt import __version__

    assert colorrt("--version").stdout == f"colorrt {__version__}\n"
    for arguments in (["--help"], ["-h"], ["run", "--help"], ["run", "-h"]):
        result = colorrt(*arguments)
        assert result.exit_code == 0
        assert "Usage: " in result.stdout


def test_sheet_shows_before_and_after_and_leaves_out_failures(run: Command, save_gray: Save, tmp_path: Path) -> None:
    save_gray(tmp_path / "photos" / "a.jpg")
    (tmp_path / "photos" / "b.jpg").write_text("no picture")
    result = run("photos", "-o", "out", "--sheet", "out/proof.png")
    assert result.exit_code == 1
    assert files(tmp_path / "out") == ["a.jpg", "proof.png"]
    with Image.open(tmp_path / "out" / "proof.png") as sheet:
        assert sheet.width > sheet.height
    assert is_color(tmp_path / "out" / "a.jpg")


def test_doctor_tells_what_run_will_use(colorrt: Command) -> None:
    result = colorrt("doctor")
    assert result.exit_code == 0
    assert "run will use" in result.stdout
    assert "ONNX Runtime on the CPU" in result.stdout
    assert "--device cuda" in result.stdout or "colorrt[gpu]" in result.stdout


def test_hints_color_one_picture(run: Command, save_gray: Save, tmp_path: Path) -> None:
    save_gray(tmp_path / "old.png", size=(60, 40))
    strokes = Image.new("RGBA", (30, 20))
    strokes.paste((20, 60, 230, 255), (0, 0, 20, 15))
    strokes.save(tmp_path / "strokes.png")
    plain, hinted = run("old.png", "-o", "plain.png"), run("old.png", "--hints", "strokes.png", "-o", "hinted.png")
    assert (plain.exit_code, hinted.exit_code, hinted.stdout) == (0, 0, "1 colored: hinted.png\n")
    assert is_color(tmp_path / "plain.png")
    assert not is_color(tmp_path / "hinted.png")
    # The same hints once more are done before, others are other settings.
    assert "done before" in run("old.png", "--hints", "strokes.png", "-o", "hinted.png").stdout
    assert "made with other settings" in run("old.png", "-o", "hinted.png").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("old.png", "other.png", "--hints", "strokes.png"), 2, "hints are of one picture, and this run has 2"),
        (("old.png", "--hints", "absent.png"), 1, "absent.png: there is no such file"),
        (("old.png", "--hints", "old.png"), 1, "nothing of it is transparent"),
        (("old.png", "--hints", "tall.png"), 1, "tall.png: its 20 x 30 pixels have other proportions"),
    ],
)
def test_hints_that_do_not_fit_are_told_in_one_line(
    run: Command, save_gray: Save, tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    for name in ("old.png", "other.png"):
        save_gray(tmp_path / name, size=(60, 40))
    for name, size in (("strokes.png", (30, 20)), ("tall.png", (20, 30))):
        strokes = Image.new("RGBA", size)
        strokes.paste((20, 60, 230, 255), (0, 0, 5, 5))
        strokes.save(tmp_path / name)
    result = run(*arguments, "-q")
    assert result.exit_code == code
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not list(tmp_path.glob("*-color.png"))
