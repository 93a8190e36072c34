"""DDColor tiny at full size against what the original classes answered with the same weights.

The graph is compared at 256 pixels alone: tracing it at 512 takes half a minute more and is the same code. `python -m
studies oracle` compares both sizes, and DDColor large.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from studies.oracle import Case, load_original, measure_agreement, open_graph, read_cases

if TYPE_CHECKING:
    from pathlib import Path

    from colorrt.models.color import ChromaOfLab

# a and b in Lab units: the original lies 3e-4 from its own answer in float64, the smallest mistake makes 2e-3 or more.
AB = 1.5e-3
# Chroma in levels of 255.
IN_TORCH, IN_ONNX = 0.1, 0.5


@pytest.fixture(scope="module")
def framed(zoo: Path) -> ChromaOfLab:
    return load_original(zoo, "ddcolor-tiny")


@pytest.fixture(scope="module")
def cases(zoo: Path, framed: ChromaOfLab) -> list[Case]:
    found = list(read_cases(zoo, "ddcolor-tiny", framed))
    assert len(found) == 6
    return found


@pytest.mark.parametrize("size", [256, 512])
def test_network_and_graph_answer_as_the_original(framed: ChromaOfLab, cases: list[Case], size: int) -> None:
    some = [case for case in cases if case.size == size]
    # One picture says at 512 what two say.
    graph = open_graph(framed, size) if size == 256 else None
    found = measure_agreement(framed, "ddcolor-tiny", some if graph else some[:1], graph)
    assert found.ab is not None
    assert found.chroma is not None
    assert found.ab < AB
    assert found.chroma <= IN_TORCH
    if graph:
        assert found.graph is not None
        assert found.graph <= IN_ONNX
