"""What a training goes on from: its state, its table and its photographs; and what it refuses to begin with."""

from __future__ import annotations

import csv
import io
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch

import colorrt.training.train as room
from colorrt.errors import BackendError, UsageError, WeightsError
from colorrt.training.logs import Log, Progress
from colorrt.training.networks import make_trainee
from colorrt.training.recipes.recipe import Recipe, shrink
from colorrt.training.state import _said, digest_of, peek, save_state
from colorrt.training.train import train

if TYPE_CHECKING:
    from pathlib import Path


def silent() -> Progress:
    return Progress(io.StringIO())


def rows_of(out: Path) -> list[dict[str, str]]:
    with (out / "log.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_finished_training_trains_no_further(
    out: Path, tiny_recipe: Recipe, album: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (out / "weights.safetensors").read_bytes()
    monkeypatch.setattr(room, "_run_stage", lambda *_: pytest.fail("a finished stage ran again"))
    train(tiny_recipe, album, out, progress=silent())
    assert (out / "weights.safetensors").read_bytes() == before


def test_interrupt_ends_after_the_step_with_all_of_it_saved(
    tiny_recipe: Recipe, album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal

    take = room.take_step

    def interrupt(state: room.State, *rest: Any) -> dict[str, float]:
        if state.step == 1:
            signal.raise_signal(signal.SIGINT)
        return take(state, *rest)

    monkeypatch.setattr(room, "take_step", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(tiny_recipe, album, tmp_path, progress=silent())
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert (state["step"], state["images"]) == (2, 4)


def test_options_left_at_their_defaults_do_not_make_another_recipe(tiny_recipe: Recipe) -> None:
    assert "knowledge" not in _said(tiny_recipe)
    assert "knowledge" in _said(replace(tiny_recipe, loss=replace(tiny_recipe.loss, knowledge=0.1)))
    digests = {digest_of(tiny_recipe), digest_of(replace(tiny_recipe, seed=4)), digest_of(shrink(tiny_recipe, 1, 1.0))}
    assert len(digests) == 3


def test_changed_photographs_are_noticed(
    tiny_recipe: Recipe, album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out = shutil.copytree(album, tmp_path / "data"), tmp_path / "data" / "album" / "out"
    take = room.take_step

    def stop(state: room.State, *rest: Any) -> dict[str, float]:
        if state.images == 8:
            raise KeyboardInterrupt
        return take(state, *rest)

    monkeypatch.setattr(room, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(room, "take_step", stop)
    with pytest.raises(KeyboardInterrupt):
        train(tiny_recipe, data, out, progress=silent())
    said = io.StringIO()
    with pytest.raises(KeyboardInterrupt):
        train(tiny_recipe, data, out, progress=Progress(said))
    # Its own sample sheets, in a folder of photographs here, are none of them.
    assert (out / "samples").is_dir()
    assert "not the photographs" not in said.getvalue()
    shutil.copy(data / "album" / "0.png", data / "album" / "again.png")
    with pytest.raises(KeyboardInterrupt):
        train(tiny_recipe, data, out, progress=Progress(said))
    assert f"{data}: not the photographs that this training was started with" in said.getvalue()


def test_state_that_may_not_be_read_is_not_called_damaged(
    out: Path, tiny_recipe: Recipe, album: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbid(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", forbid)
    with pytest.raises(UsageError, match=r"state\.pt: cannot be read \(Permission denied\); change its permissions"):
        peek(out / "state.pt", tiny_recipe)


def test_state_that_cannot_be_written_leaves_the_one_before(
    out: Path, tiny_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(content: object, path: Path) -> None:
        path.write_bytes(b"half of it")
        raise RuntimeError("[enforce fail at inline_container.cc:672]")

    path = tmp_path / "state.pt"
    path.write_bytes(b"before")
    state = room.State(make_trainee(tiny_recipe.network, None, None), None, None)
    monkeypatch.setattr(torch, "save", fill)
    with pytest.raises(
        UsageError, match=r"state\.pt: cannot be written: PyTorch could not write all of it; check the disk"
    ):
        save_state(state, path, tiny_recipe)
    assert [one.read_bytes() for one in tmp_path.iterdir()] == [b"before"]


def test_folder_that_cannot_be_made_is_refused(tiny_recipe: Recipe, album: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(UsageError, match=r"file: a folder cannot be created here .*; give another --out"):
        train(tiny_recipe, album, tmp_path / "file", progress=silent())


def test_table_of_a_training_that_left_no_state_does_not_go_on(
    tiny_recipe: Recipe, album: Path, out: Path, tmp_path: Path
) -> None:
    shutil.copy(out / "log.csv", tmp_path / "log.csv")
    train(tiny_recipe, album, tmp_path, progress=silent())
    assert [(row["stage"], row["step"]) for row in rows_of(tmp_path)] == [("0", "3"), ("1", "3")]


def test_row_that_a_power_cut_left_unfinished_is_dropped(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write({"stage": 0, "step": 50, "images": 100, "loss": 0.5}, {})
    log.write({"stage": 0, "step": 100, "images": 200, "loss": 0.25}, {})
    whole = log.path.read_bytes()
    log.path.write_bytes(whole + b"0,15")
    log.rewind(0, 200)
    assert log.path.read_bytes() == whole
    log.rewind(0, 50)
    assert [row["step"] for row in rows_of(tmp_path)] == ["50"]


def test_other_recipe_does_not_go_on(out: Path, tiny_recipe: Recipe, album: Path) -> None:
    with pytest.raises(UsageError, match="started with another recipe, or other --steps or --scale"):
        train(replace(tiny_recipe, seed=99), album, out, progress=silent())


@pytest.mark.parametrize("content", [b"", b"damaged", None], ids=["empty", "damaged", "of another"])
def test_damaged_state_is_refused_and_kept(
    content: bytes | None, tiny_recipe: Recipe, album: Path, tmp_path: Path
) -> None:
    path = tmp_path / "state.pt"
    if content is None:
        torch.save({"network": {}, "images": 4}, path)
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(WeightsError, match="no checkpoint of this network") as caught:
        train(tiny_recipe, album, tmp_path, progress=silent())
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize(("sources", "where"), [("none", "are below it"), ("empty", "match empty")])
def test_no_photographs_are_refused(sources: str, where: str, tiny_recipe: Recipe, tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "empty").mkdir(parents=True)
    recipe = replace(tiny_recipe, stages=(replace(tiny_recipe.stages[0], sources=(sources,)),))
    with pytest.raises(UsageError, match=f"0 photographs {where}, fewer than one batch of 2; give --data") as caught:
        train(recipe, data, tmp_path / "out", progress=silent())
    assert str(caught.value).startswith(f"{data}: ")
    assert "\n" not in str(caught.value)


def test_folder_without_the_files_of_a_recipe_is_taken_whole(tiny_recipe: Recipe, album: Path, tmp_path: Path) -> None:
    stage = replace(tiny_recipe.stages[0], sources=("shards-*.tar",), source_weights=(2.0,))
    said = io.StringIO()
    train(replace(tiny_recipe, stages=(stage,)), album, tmp_path, progress=Progress(said))
    assert f"{album}: nothing matches shards-*.tar; using every photograph" in said.getvalue()
    assert "8 photographs" in said.getvalue()


def test_device_that_is_not_there_is_refused(tiny_recipe: Recipe, album: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="device 'tpu' is unknown"):
        train(tiny_recipe, album, tmp_path, device="tpu")
    if not torch.cuda.is_available():
        with pytest.raises(BackendError, match="no CUDA device"):
            train(tiny_recipe, album, tmp_path, device="cuda")
