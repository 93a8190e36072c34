"""Whole pickled modules (`torch.save(model)`) as state dicts, without making a single module.

Such a pickle names the class of every layer and holds its attributes. Stand-ins answer the names of plain layers, keep
tensors and children, and drop everything else; no class that the file names is imported, and none of its methods runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator

# Deeper or larger than any network here; a file that claims more was made to hurt.
_DEEPEST, _MOST = 50, 20_000
_LAYERS = {
    "activation": (
        "ELU",
        "GELU",
        "Hardtanh",
        "LeakyReLU",
        "PReLU",
        "ReLU",
        "ReLU6",
        "SiLU",
        "Sigmoid",
        "Softmax",
        "Tanh",
    ),
    "batchnorm": ("BatchNorm1d", "BatchNorm2d"),
    "container": ("ModuleDict", "ModuleList", "Sequential"),
    "conv": ("Conv1d", "Conv2d", "ConvTranspose2d"),
    "dropout": ("Dropout", "Dropout2d"),
    "flatten": ("Flatten",),
    "linear": ("Identity", "Linear"),
    "normalization": ("GroupNorm", "LayerNorm"),
    "padding": ("ReflectionPad2d", "ReplicationPad2d", "ZeroPad2d"),
    "pixelshuffle": ("PixelShuffle",),
    "pooling": ("AdaptiveAvgPool2d", "AvgPool2d", "MaxPool2d"),
    "upsampling": ("Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d"),
}
MODULE_NAMES = (
    *(f"torch.nn.modules.{module}.{name}" for module, names in _LAYERS.items() for name in names),
    *(f"torchvision.models.resnet.{name}" for name in ("BasicBlock", "Bottleneck", "ResNet")),
    # As HKUST's training script and the tutorial's notebook call their network.
    "__main__.ColorizationNet",
)
"""Names that `ModuleStandIn` answers."""


class ModuleStandIn:
    """Stands for any module of a pickle: keeps what belongs to its state dict, and nothing else."""

    def __new__(cls, *_args: object, **_keywords: object) -> ModuleStandIn:
        """Make the stand-in, whatever the pickle passes."""
        return super().__new__(cls)

    def __init__(self, *_args: object, **_keywords: object) -> None:
        self.tensors: dict[Any, Any] = {}
        self.children: dict[Any, Any] = {}

    def __setstate__(self, state: object) -> None:
        """Keep tensors and children of a module's attributes."""
        self.__init__()  # type: ignore[misc]  # unpickled objects were never initialized
        attributes = state if isinstance(state, dict) else {}
        transient = attributes.get("_non_persistent_buffers_set")
        left_out = transient if isinstance(transient, set) else set()
        for kind in ("_parameters", "_buffers"):
            held = attributes.get(kind)
            if isinstance(held, dict):
                # None: a layer without bias.
                self.tensors |= {
                    name: value for name, value in held.items() if value is not None and name not in left_out
                }
        children = attributes.get("_modules")
        self.children = dict(children) if isinstance(children, dict) else {}


def state_of_module(module: ModuleStandIn) -> dict[str, Any]:
    """Return what the state dict of a pickled module would be: names joined by dots, tensors as the file has them.

    Values are checked by whoever takes it for a state dict. Raises ValueError for a tree that no network has.
    """
    return dict(_walk(module, "", _DEEPEST, [_MOST]))


def _walk(module: ModuleStandIn, stem: str, depth: int, left: list[int]) -> Iterator[tuple[str, Any]]:
    left[0] -= 1
    if depth == 0 or left[0] < 0:
        raise ValueError("its modules are nested without end")
    # A pickle may make an object and never give it attributes.
    for name, value in getattr(module, "tensors", {}).items():
        yield f"{stem}{name}", value.detach() if isinstance(value, Tensor) else value
    for name, child in getattr(module, "children", {}).items():
        if isinstance(child, ModuleStandIn):
            yield from _walk(child, f"{stem}{name}.", depth - 1, left)
