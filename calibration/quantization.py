"""The numbers of 8-bit quantization: scales, zero points and rounded weights, as ONNX defines them.

real = scale x (integer - zero point). https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from colorrt.calibration.ranges import Range

SMALLEST_SCALE = 1e-12
WEIGHT_END = 127
"""Weights are -127..127: symmetric, so that zero is exact."""
BIAS_END = 2**31 - 1

Rounded = tuple[NDArray[np.int8], NDArray[np.float32]]
"""Weights (O x ...) as integers, -127..127, and their scales (O), so that weights ~ scales x integers."""


@dataclass(frozen=True)
class Step:
    """How one value is quantized: `scale`, `zero`, and whether the integers are signed."""

    scale: float
    zero: int
    signed: bool


def unsigned_step(found: Range) -> Step:
    """U8 for CPUs: 0..255 over the whole range, zero exact."""
    scale = max(float(np.float32((found.high - found.low) / 255)), SMALLEST_SCALE)
    return Step(scale, int(np.clip(np.rint(-found.low / scale), 0, 255)), signed=False)


def signed_step(found: Range) -> Step:
    """S8 for TensorRT: -127..127, symmetric, no zero point."""
    return Step(max(float(np.float32(max(-found.low, found.high) / 127)), SMALLEST_SCALE), 0, signed=True)


def find_scales(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a scale for each output channel (O) of convolution weights (O x ...): the largest is 127."""
    rows = weights.reshape(weights.shape[0], -1).astype(np.float64)
    scales: NDArray[np.float32] = (np.abs(rows).max(axis=1) / WEIGHT_END).astype(np.float32)
    # A channel of zeros, or one too small to divide by, is zero whatever the scale.
    scales[scales < SMALLEST_SCALE] = 1.0
    return scales


def round_weights(weights: NDArray[np.float32]) -> Rounded:
    """Round convolution weights (O x ...) to the nearest of INT8, each output channel with a scale of its own."""
    scales = find_scales(weights)
    rows = weights.reshape(weights.shape[0], -1).astype(np.float64)
    integers = np.rint(rows / scales[:, None].astype(np.float64)).clip(-WEIGHT_END, WEIGHT_END).astype(np.int8)
    return integers.reshape(weights.shape), scales


def widen(integers: NDArray[np.int8], scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what rounded weights stand for: scales x integers."""
    return integers.astype(np.float32) * scales.reshape(-1, *[1] * (integers.ndim - 1))


def round_bias(bias: NDArray[np.float32], scales: NDArray[np.float32]) -> NDArray[np.int32]:
    """Round biases (O) to INT32 with the scales (O) of the products that they are added to."""
    return np.rint(bias.astype(np.float64) / scales.astype(np.float64)).clip(-BIAS_END, BIAS_END).astype(np.int32)
