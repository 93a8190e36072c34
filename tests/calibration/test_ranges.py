"""Ranges and rounding, against their definitions in float64 on the values themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colorrt.calibration.quantization import round_bias, round_weights, signed_step, unsigned_step, widen
from colorrt.calibration.ranges import BINS, Histogram, Method, Range, find_range


def counted(*pieces: np.ndarray) -> Histogram:
    histogram = Histogram()
    for piece in pieces:
        histogram.add(piece)
    return histogram


def error_of(values: np.ndarray, low: float, high: float) -> float:
    step = (high - low) / 255
    zero = round(-low / step)
    rounded = (np.clip(np.rint(values / step) + zero, 0, 255) - zero) * step
    return float(((values - rounded) ** 2).sum())


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 1000), st.booleans())
@settings(max_examples=30, deadline=None)
def test_percentile_is_that_of_the_values_within_a_bin(seed: int, scale: float, positive: bool) -> None:
    values = np.random.default_rng(seed).normal(0, scale, 4000)
    values = np.abs(values) if positive else values
    histogram = counted(values.astype(np.float32))
    found = find_range(histogram, Method.PERCENTILE, 99.0)
    width = histogram.limit / BINS
    assert found.high == pytest.approx(np.quantile(values, 0.99, method="inverted_cdf"), abs=2 * width)
    wanted = 0.0 if positive else -np.quantile(-values, 0.99, method="inverted_cdf")
    assert found.low == pytest.approx(wanted, abs=2 * width)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_counts_do_not_depend_on_order_or_pieces(seed: int) -> None:
    random = np.random.default_rng(seed)
    pieces = [random.normal(0, scale, 50).astype(np.float32) for scale in (0.01, 5, 0.3, 80)]
    one, other = counted(*pieces), counted(np.concatenate(pieces[::-1]))
    assert one.limit == other.limit
    np.testing.assert_array_equal(one.counts, other.counts)
    assert (one.low, one.high) == (other.low, other.high)


def test_minmax_is_the_least_and_the_largest_with_zero_between() -> None:
    assert find_range(counted(np.array([3.0, 7.5], np.float32)), Method.MINMAX) == Range(0.0, 7.5)
    assert find_range(counted(np.zeros(4, np.float32)), Method.MSE) == Range(0.0, 0.0)


def test_least_squared_error_is_near_the_best_of_all_ends() -> None:
    random = np.random.default_rng(3)
    values = np.concatenate([np.abs(random.normal(0, 1, 20000)), [40.0]])
    found = find_range(counted(values.astype(np.float32)), Method.MSE)
    best = min(error_of(values, 0.0, end) for end in np.linspace(2, 40, 400))
    assert error_of(values, found.low, found.high) <= 1.1 * best
    assert error_of(values, found.low, found.high) < error_of(values, 0.0, 40.0)


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        counted(np.array([1.0, np.inf], np.float32))


@given(st.floats(-100, 0), st.floats(0, 100))
def test_zero_is_exact_and_both_ends_are_reached(low: float, high: float) -> None:
    step = unsigned_step(Range(low, high))
    assert 0 <= step.zero <= 255
    assert (0 - step.zero) * step.scale <= low + step.scale
    assert (255 - step.zero) * step.scale >= high - step.scale
    signed = signed_step(Range(low, high))
    assert signed.zero == 0
    assert 127 * signed.scale == pytest.approx(max(-low, high), rel=1e-6, abs=1e-9)


def test_weights_of_each_channel_are_within_half_a_step() -> None:
    random = np.random.default_rng(0)
    weights = (random.normal(0, 1, (5, 3, 3, 3)) * np.array([1, 0.01, 100, 0, 3])[:, None, None, None]).astype(
        np.float32
    )
    integers, scales = round_weights(weights)
    assert np.abs(integers.astype(int)).max() == 127
    error = np.abs(widen(integers, scales).astype(np.float64) - weights)
    assert (error <= 0.5001 * scales[:, None, None, None]).all()
    assert not integers[3].any()
    bias = np.array([1, -2, 3, 0, 5], np.float32)
    products = 0.02 * scales
    np.testing.assert_allclose(round_bias(bias, products) * products.astype(np.float64), bias, atol=products.max())
