"""Frechet distance: how far a set of colored photos is from the set of originals, as a classifier sees them.

PSNR asks each picture for the colors it had; this asks all of them together whether they look like photos. Features
are the last ones of EfficientNet-Lite0, averaged over the picture, so that the figures are not those of FID, which
takes InceptionV3; and they depend on how many pictures there are, so that only equal sets can be compared.
Source: Heusel et al., GANs Trained by a Two Time-Scale Update Rule, 2017, equation 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from colorrt.errors import BackendError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SIZE = 224
"""Side of the square that the classifier was trained on."""


@dataclass(frozen=True)
class Frechet:
    """Distances to the originals; `gray`: of the plain gray pictures."""

    pictures: int
    colored: float
    gray: float


def frechet_distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return |mean a - mean b|^2 + tr(A + B - 2 (A B)^1/2), A and B the covariances of the rows.

    a, b: (N, D), (M, D) float64, at least two rows each. Never negative.
    The trace of the root of A B is the sum of the roots of the eigenvalues of A^1/2 B A^1/2, which is symmetric.

    Raises ValueError for other shapes.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(f"two sets of at least two rows of equal length are needed, got {a.shape} and {b.shape}")
    mean = a.mean(axis=0) - b.mean(axis=0)
    first, second = np.cov(a, rowvar=False, ddof=1), np.cov(b, rowvar=False, ddof=1)
    first, second = np.atleast_2d(first), np.atleast_2d(second)
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    inner = root @ second @ root
    shared = np.sqrt(np.linalg.eigvalsh((inner + inner.T) / 2).clip(0)).sum()
    distance = float(mean @ mean + np.trace(first) + np.trace(second) - 2 * shared)
    return max(0.0, distance)


class FeatureExtractor:
    """Features of pictures by EfficientNet-Lite0 with its published ImageNet weights.

    Raises BackendError, with what to install, when PyTorch or the package with the weights is missing.
    """

    def __init__(self) -> None:
        try:
            import torch

            from colorrt.models.encoders.efficientnet import Encoder, load_published, published_file

            weights = published_file("lite0")
        except ImportError as error:
            raise BackendError(
                f"the Frechet distance needs {error.name or 'PyTorch'}, which is not installed: "
                "pip install 'colorrt[train]'"
            ) from error
        self._torch = torch
        encoder = Encoder()
        load_published(encoder, weights)
        self._encoder: Any = encoder.eval()

    def features(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
        """Features (N, 320) float64 of pictures, (H, W, 3) uint8 sRGB each, squeezed to 224 x 224."""
        squares = np.stack(
            [np.asarray(Image.fromarray(one).resize((SIZE, SIZE), Image.Resampling.BICUBIC)) for one in pictures]
        )
        torch = self._torch
        with torch.inference_mode():
            rgb = torch.from_numpy(squares).permute(0, 3, 1, 2).float() / 255
            _, last = self._encoder(rgb)
        features: NDArray[np.float64] = last.mean(dim=(2, 3)).double().numpy()
        return features


class FrechetMeter:
    """Gathers features picture by picture, so that the pictures themselves need not be kept."""

    def __init__(self) -> None:
        self._extractor = FeatureExtractor()
        self._rows: list[NDArray[np.float64]] = []

    def add(self, original: NDArray[np.uint8], colored: NDArray[np.uint8], gray: NDArray[np.uint8]) -> None:
        """Count in a photo, its colored version and its gray version, (H, W, 3) uint8 each."""
        self._rows.append(self._extractor.features([original, colored, gray]))

    def summarize(self) -> Frechet | None:
        """Return the distances; None of fewer than two pictures."""
        if len(self._rows) < 2:
            return None
        original, colored, gray = np.stack(self._rows, axis=1)
        return Frechet(len(self._rows), frechet_distance(colored, original), frechet_distance(gray, original))
