"""Shards of a growing archive: no overlap, nothing left over, in any order; and the recipes that run them."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from colorrt.runtime.jobs import shard_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.testing import Result

    Command = Callable[..., Result]
    Save = Callable[..., Path]

RECIPES = Path(__file__).resolve().parents[2] / "docs/scale"
SHARDS = 16


def results(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("*") if path.is_file() and ".colorrt" not in path.parts)
    return sorted(path.relative_to(folder).as_posix() for path in found)


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / ".colorrt/journal.jsonl").read_text().splitlines()]


def test_names_keep_their_shard_when_500_are_added() -> None:
    names = [f"box {number % 7}/{number:06}.tif" for number in range(10_000)]
    before = {name: shard_of(name, SHARDS) for name in names}
    grown = [*names, *(f"added/{number}.jpg" for number in range(500))]
    random.Random(3).shuffle(grown)
    after = {name: shard_of(name, SHARDS) for name in grown}
    assert all(after[name] == shard for name, shard in before.items())
    sizes = Counter(after.values())
    assert sorted(sizes) == list(range(1, SHARDS + 1))
    assert max(sizes.values()) < 1.3 * len(grown) / SHARDS


def test_sixteen_shards_in_any_order_are_the_whole_also_after_more_was_added(
    run: Command, colorrt: Command, save_gray: Save, tmp_path: Path
) -> None:
    order = random.Random(7)
    for number in range(24):
        save_gray(tmp_path / f"scans/{number:03}.jpg")
    for round_ in range(2):
        shards = list(range(1, SHARDS + 1))
        order.shuffle(shards)
        for shard in shards:
            assert run("scans", "-o", f"out-{shard}", "--shard", f"{shard}/{SHARDS}", "-q").exit_code == 0
        if round_ == 0:
            for number in range(24, 32):
                save_gray(tmp_path / f"scans/{number:03}.jpg")
    made = [name for shard in range(1, SHARDS + 1) for name in results(tmp_path / f"out-{shard}")]
    assert sorted(made) == [f"{number:03}.jpg" for number in range(32)]
    folders = [f"out-{shard}" for shard in range(1, SHARDS + 1) if (tmp_path / f"out-{shard}/.colorrt").exists()]
    assert colorrt("journal", "merge", "all", *folders).stdout.startswith("32 rows added")
    assert sorted(row["target"] for row in rows(tmp_path / "all")) == sorted(made)


@pytest.fixture
def recipe(tiny_onnx: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a recipe's script with `colorrt` of this checkout."""
    program = tmp_path / "bin/colorrt"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m colorrt "$@"\n')
    program.chmod(0o755)

    def start(name: str, **variables: object) -> subprocess.CompletedProcess[str]:
        env = os.environ | {"PATH": f"{program.parent}:{os.environ['PATH']}", "ENGINE": str(tiny_onnx)}
        env |= {"MORE": "--render-factor 1", "IN": str(tmp_path / "scans"), "OUT": str(tmp_path / "out")}
        env |= {key: str(value) for key, value in variables.items()}
        return subprocess.run(["bash", RECIPES / name], env=env, capture_output=True, text=True, check=False)

    return start


def test_slurm_and_parallel_recipes_color_everything_once(
    recipe: Callable[..., subprocess.CompletedProcess[str]], save_gray: Save, tmp_path: Path
) -> None:
    for number in range(6):
        save_gray(tmp_path / f"scans/{number:03}.jpg")
    # The body of the job array, one task after another.
    for task in (2, 1):
        done = recipe("slurm.sh", SLURM_ARRAY_TASK_ID=task, SLURM_ARRAY_TASK_COUNT=2, SLURM_CPUS_PER_TASK=1)
        assert (done.returncode, done.stderr) == (0, "")
    names = [f"{number:03}.jpg" for number in range(6)]
    assert sorted(name.partition("/")[2] for name in results(tmp_path / "out")) == names
    done = recipe("parallel.sh", COUNT=2, JOBS=2, OUT=tmp_path / "out 2")
    assert done.returncode == 0, done.stderr
    assert sorted(name.partition("/")[2] for name in results(tmp_path / "out 2")) == names
    assert sorted(row["target"] for row in rows(tmp_path / "out 2")) == names


def test_job_of_kubernetes_is_what_its_client_knows() -> None:
    yaml = pytest.importorskip("yaml", reason="the extra 'cluster' is not installed")
    client = pytest.importorskip("kubernetes.client", reason="the extra 'cluster' is not installed")
    table = yaml.safe_load((RECIPES / "job.yaml").read_text())

    api = client.ApiClient()
    job = api.deserialize(json.dumps(table), "V1Job", "application/json")
    # What the client's model does not know is lost on the way.
    assert api.sanitize_for_serialization(job) == table
    assert job.spec.completion_mode == "Indexed"


def test_cluster_of_ray_is_what_its_schema_takes() -> None:
    yaml = pytest.importorskip("yaml", reason="the extra 'cluster' is not installed")
    ray = pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    jsonschema = pytest.importorskip("jsonschema", reason="the extra 'cluster' is not installed")
    schema = json.loads((Path(ray.__file__).parent / "autoscaler/ray-schema.json").read_text())
    jsonschema.validate(yaml.safe_load((RECIPES / "ray-cluster.yaml").read_text()), schema)
