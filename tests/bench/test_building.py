"""What is measured is what was asked for: the backend, the precision and the batch reach the builder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from colorrt.bench.building import build_artifact
from colorrt.runtime.artifact import Kind, read_artifact

if TYPE_CHECKING:
    from pathlib import Path


def test_engine_is_built_of_a_graph_made_for_engines(tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx")
    options: dict[str, Any] = {"backend": "tensorrt_rtx", "precision": "fp16", "batch": "1:2:4"}
    path = build_artifact(None, 2, tmp_path, **options)
    found = read_artifact(path)
    assert found.kind is Kind.ENGINE
    contract = found.contract
    assert (contract.precision, contract.render_factor, contract.batch) == ("fp16", 2, (1, 4))
    assert contract.attention == "heads"
    assert contract.engine is not None
    assert (contract.engine.flavor, contract.engine.optimum) == ("tensorrt_rtx", 2)
