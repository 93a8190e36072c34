"""Engines to open under the stand-in: the flavor that is not the default, luma for them, and what a refusal says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from colorrt.errors import BackendError, ColorrtError
from colorrt.runtime.artifact import read_artifact
from colorrt.runtime.sessions.opening import open_session
from colorrt.runtime.sessions.tensorrt import TensorRtSession

if TYPE_CHECKING:
    from pathlib import Path

RTX = {"flavor": "tensorrt_rtx", "version": "1.7.1.116"}


def squares(count: int = 1, side: int = 32, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(seed).random((count, 1, side, side), np.float32)


def open_plan(path: Path) -> TensorRtSession:
    session = open_session(read_artifact(path))
    assert isinstance(session, TensorRtSession)
    return session


def refusal(path: Path, kind: type[ColorrtError] = BackendError) -> str:
    with pytest.raises(kind) as caught:
        open_plan(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message
