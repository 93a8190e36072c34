"""Folding of spectral and weight norm, against torch's own."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from colorrt.errors import WeightsError
from colorrt.models.norms import fold_norms

if TYPE_CHECKING:
    from collections.abc import Callable

LAYERS: dict[str, Callable[[], nn.Module]] = {
    "conv2d": lambda: nn.Conv2d(5, 7, 3),
    "conv1d": lambda: nn.Conv1d(6, 4, 1, bias=False),
    "linear": lambda: nn.Linear(9, 300),
}


def _old_spectral(layer: nn.Module) -> nn.Module:
    normed: nn.Module = torch.nn.utils.spectral_norm(layer)
    return normed


def _old_weight(layer: nn.Module) -> nn.Module:
    normed: nn.Module = torch.nn.utils.weight_norm(layer)
    return normed


def _weight_over_all(layer: nn.Module) -> nn.Module:
    return parametrizations.weight_norm(layer, dim=None)  # type: ignore[arg-type]  # torch: None is allowed, its types say int


NORMS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "spectral": _old_spectral,
    "weight": _old_weight,
    "spectral parametrization": parametrizations.spectral_norm,
    "weight parametrization": parametrizations.weight_norm,
    "weight parametrization over all": _weight_over_all,
    "weight parametrization of inputs": lambda layer: parametrizations.weight_norm(layer, dim=1),
}
SAMPLES = {"conv2d": (2, 5, 8, 8), "conv1d": (2, 6, 8), "linear": (2, 9)}


def make_normed(layer: str, norm: str) -> nn.Sequential:
    """A normed layer behind a name, after some training steps that moved its vectors and magnitudes."""
    torch.manual_seed(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The old functions are deprecated, the files made with them live on.
        network = nn.Sequential(NORMS[norm](LAYERS[layer]()))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        network(torch.randn(SAMPLES[layer])).square().sum().backward()
        optimizer.step()
    return network.eval()


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("norm", NORMS)
def test_folded_weight_computes_what_the_norm_does(layer: str, norm: str) -> None:
    network = make_normed(layer, norm)
    plain = nn.Sequential(LAYERS[layer]())
    plain.load_state_dict(fold_norms(network.state_dict()), strict=True)
    sample = torch.randn(SAMPLES[layer])
    with torch.no_grad():
        expected = network(sample)
        torch.testing.assert_close(plain(sample), expected, rtol=1e-5, atol=1e-6 * float(expected.abs().max()))


def test_stored_vectors_count_and_not_a_fresh_singular_value() -> None:
    weight = torch.diag(torch.tensor([4.0, 1.0]))
    u = v = torch.tensor([0.0, 1.0])
    folded = fold_norms({"a.weight_orig": weight * 3, "a.weight_u": u, "a.weight_v": v})
    torch.testing.assert_close(folded["a.weight"], weight)


def test_plain_tensors_are_handed_on_as_they_are() -> None:
    state = {"a.weight": torch.randn(2, 2), "weight_v": torch.randn(2), "n": torch.tensor(1)}
    folded = fold_norms(state)
    assert list(folded) == list(state)
    assert all(folded[key] is state[key] for key in state)


def test_half_precision_norm_folds_to_float32() -> None:
    state = {key: value.half() for key, value in make_normed("conv2d", "spectral").state_dict().items()}
    assert fold_norms(state)["0.weight"].dtype == torch.float32


@pytest.mark.parametrize(
    ("norm", "key"),
    [
        ("spectral", "0.weight_u"),
        ("spectral", "0.weight_v"),
        ("spectral", "0.weight_orig"),
        ("weight", "0.weight_v"),
        ("spectral parametrization", "0.parametrizations.weight.0._u"),
        ("weight parametrization", "0.parametrizations.weight.original0"),
    ],
)
def test_incomplete_norm_is_refused_by_name(norm: str, key: str) -> None:
    state = dict(make_normed("conv1d", norm).state_dict())
    del state[key]
    with pytest.raises(WeightsError, match=f"lacks {re.escape(key)}") as caught:
        fold_norms(state)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("state", "what"),
    [
        ({"a.weight_orig": (4, 3), "a.weight_u": (4,), "a.weight_v": (5,)}, "spectral norm"),
        ({"a.weight_orig": (4,), "a.weight_u": (4,), "a.weight_v": (1,)}, "spectral norm"),
        ({"a.weight_g": (3, 1), "a.weight_v": (4, 3)}, "weight norm"),
        ({"a.weight_g": (4,), "a.weight_v": (4, 3)}, "weight norm"),
    ],
)
def test_norm_that_does_not_fit_is_refused(state: dict[str, tuple[int, ...]], what: str) -> None:
    with pytest.raises(WeightsError, match=f"a.weight has a {what} whose"):
        fold_norms({key: torch.ones(shape) for key, shape in state.items()})
