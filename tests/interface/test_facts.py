"""What every room has to agree on stands once, in the contract, and plain strings go on working."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from colorrt import UsageError, kernels
from colorrt.contract import (
    FLAVORS,
    LUMA_OF_RGB,
    U_SCALE,
    V_SCALE,
    AttentionForm,
    Contract,
    Device,
    EngineFlavor,
    Precision,
    StrEnum,
    Target,
    Upsampling,
)
from colorrt.kernels.luma import BLUE_WEIGHT, GREEN_WEIGHT, RED_WEIGHT
from colorrt.runtime.colorizer import Colorizer
from colorrt.runtime.sessions.session import SessionOptions

KINDS = (Precision, Device, Target, AttentionForm, Upsampling, EngineFlavor)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_name_of_an_option_is_a_plain_string(kind: type[StrEnum]) -> None:
    for name in kind:
        text = str(name)
        assert type(text) is str
        assert name == text == f"{name}" == json.loads(json.dumps(name))
        assert repr(name) == repr(text)
        assert hash(name) == hash(text)
        assert kind(text) is name
        assert text in tuple(kind)
    assert "tpu" not in tuple(kind)


def test_names_are_these() -> None:
    assert {kind.__name__: ", ".join(kind) for kind in KINDS} == {
        "Precision": "fp32, fp16, int8",
        "Device": "auto, cpu, openvino, cuda",
        "Target": "cpu, tensorrt",
        "AttentionForm": "plain, tiled, heads",
        "Upsampling": "guided, bilinear",
        "EngineFlavor": "tensorrt, tensorrt_rtx",
    }
    assert FLAVORS == ("tensorrt", "tensorrt_rtx")


def test_contract_of_names_is_written_as_one_of_strings() -> None:
    def make(precision: str, attention: str) -> Contract:
        return Contract("lite", 16, precision, attention, (1, None), 1.0, "00", 18, "colorrt 0")

    named, plain = make(Precision.FP16, AttentionForm.TILED), make("fp16", "tiled")
    assert named.to_json() == plain.to_json()
    assert json.dumps(asdict(named)) == json.dumps(asdict(plain))
    assert Contract.from_json(named.to_json()) == plain


def test_wrong_names_are_usage_errors_that_list_the_right_ones() -> None:
    with pytest.raises(UsageError, match=r"^device 'tpu' is unknown; choose one of auto, cpu, openvino, cuda$"):
        SessionOptions("tpu")
    with pytest.raises(UsageError, match=r"^there is no upsampling 'cubic'; choose guided or bilinear$"):
        Colorizer(upsample="cubic")


def test_kernels_use_the_weights_of_the_contract() -> None:
    weights = (RED_WEIGHT, GREEN_WEIGHT, BLUE_WEIGHT)
    # Pillow's: README promises that luma is that of its conversion to L.
    assert weights == (19595, 38470, 7471)
    assert sum(weights) == 65536
    np.testing.assert_allclose(np.array(weights) / 65536, LUMA_OF_RGB, atol=0.5 / 65536)
    for primary, weight in zip(np.eye(3), LUMA_OF_RGB, strict=True):
        white = (65535 * primary).astype(np.uint16).reshape(1, 1, 3)
        assert abs(int(kernels.luma(white)[0, 0]) - 65535 * weight) <= 1


def test_rendered_chroma_has_the_scales_of_the_contract() -> None:
    luma = np.full((4, 4), 30000, np.uint16)
    chroma = np.stack([np.full((4, 4), 0.05), np.full((4, 4), 0.1)]).astype(np.float32)
    red, _, blue = kernels.render_rgb(luma, chroma)[0, 0].astype(float)
    assert (blue - 30000) / 65535 == pytest.approx(0.05 / U_SCALE, abs=1e-4)
    assert (red - 30000) / 65535 == pytest.approx(0.1 / V_SCALE, abs=1e-4)
