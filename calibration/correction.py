"""Bias correction: what rounding the weights adds to a layer's results on average goes back into its bias.

Source: M. Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019, section
4.2, with the means taken from photographs instead of batch norms.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray

from colorrt.calibration.observing import Observed
from colorrt.calibration.quantization import Rounded, round_weights, widen
from colorrt.calibration.values import Values, find_layers


def find_shifts(
    prepared: onnx.ModelProto, observed: Observed, rounded: Mapping[str, Rounded]
) -> dict[str, NDArray[np.float32]]:
    """What is to be added to the bias of each convolution (O float32), by its name, if its weights are rounded.

    `observed`: with the channel means of what the convolutions read. `rounded`: the weights of layers, by their names;
    those of others are rounded to the nearest.
    """
    values = Values(prepared.graph)
    shifts = {}
    for layer in find_layers(prepared.graph):
        weights = values.array(layer.input[1])
        assert weights is not None
        shifts[layer.name] = find_shift(
            weights, rounded.get(layer.name) or round_weights(weights), observed.means(layer.input[0])
        )
    return shifts


def find_shift(weights: NDArray[np.float32], rounded: Rounded, means: NDArray[np.float64]) -> NDArray[np.float32]:
    """Minus the mean of what rounding weights (O x C / groups x ...) adds to each output (O), for input means (C)."""
    lost = (widen(*rounded).astype(np.float64) - weights).reshape(*weights.shape[:2], -1).sum(axis=2)
    groups = len(means) // weights.shape[1]
    each = len(lost) // groups
    shift = np.concatenate(
        [
            lost[group * each : (group + 1) * each] @ means[group * weights.shape[1] : (group + 1) * weights.shape[1]]
            for group in range(groups)
        ]
    )
    return (-shift).astype(np.float32)
