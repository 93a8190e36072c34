"""The INT8 model that ships: what it says of itself is so, and it belongs to the FP32 model beside it."""

from __future__ import annotations

import hashlib
import json

import pytest

from colorrt.calibration.budget import excess
from colorrt.errors import UsageError
from colorrt.runtime.artifact import read_artifact
from colorrt.runtime.colorizer import Colorizer
from colorrt.runtime.shipped import shipped_artifact, shipped_weights


def test_int8_model_holds_its_budget() -> None:
    import numpy as np

    contract = read_artifact(shipped_artifact("int8")).contract
    assert contract.precision == "int8"
    assert contract.calibration is not None
    assert contract.calibration.target == "cpu"
    assert contract.precision_parity is not None
    assert excess(contract.precision_parity) <= 1
    from colorrt.photos.shipped import parity_lumas

    product = square = error = 0.0
    with Colorizer(shipped_artifact("int8")) as int8, Colorizer() as fp32:
        for luma in parity_lumas(256):
            plane = np.rint(luma * 255).astype(np.uint8)
            found, wanted = int8.chroma(plane).astype(np.float64), fp32.chroma(plane).astype(np.float64)
            product, square = product + (found * wanted).sum(), square + (wanted**2).sum()
            error += np.abs(found - wanted).mean() * 255 / 6
    assert error < 0.5
    assert 0.985 < product / square < 1.015


def test_precision_that_does_not_ship_is_refused() -> None:
    with pytest.raises(UsageError, match="no FP16 model ships; choose fp32 or int8"):
        shipped_artifact("fp16")


def test_stamps_name_the_weights_that_each_file_holds() -> None:
    weights = shipped_weights().read_bytes()
    length = int.from_bytes(weights[:8], "little")
    rounded_from = json.loads(weights[8 : 8 + length])["__metadata__"]["rounded_from_sha256"]
    # FP32 holds what was trained; INT8 was made from the rounded weights that ship.
    assert read_artifact(shipped_artifact("fp32")).contract.weights_sha256 == rounded_from
    assert read_artifact(shipped_artifact("int8")).contract.weights_sha256 == hashlib.sha256(weights).hexdigest()
