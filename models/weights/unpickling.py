"""Reading pickled checkpoints without running what is inside them.

Pickles name the functions that rebuild their objects, so an open unpickler runs whatever a file asks for.
`torch.load(weights_only=True)` knows tensors only. The published DeOldify files also carry the state of their
optimizer, which names `functools.partial`, the optimizer's class and the like; those names are answered with
inert stand-ins here, and every other name is refused. Modules that were pickled whole become their state dicts.
"""

from __future__ import annotations

import re
import threading
import warnings
from typing import TYPE_CHECKING, Any

import torch

from colorrt.atomic import in_one_line
from colorrt.errors import WeightsError
from colorrt.models.weights.whole_modules import MODULE_NAMES, ModuleStandIn, state_of_module

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Inert:
    """Stands for an object that colorrt does not need: takes any arguments and any state, keeps none."""

    def __new__(cls, *_args: object, **_keywords: object) -> Inert:
        """Make the stand-in, whatever the pickle passes."""
        return super().__new__(cls)

    def __init__(self, *_args: object, **_keywords: object) -> None:
        pass

    def __setstate__(self, _state: object) -> None:
        pass


def _plain_dict(*_args: object) -> dict[Any, Any]:
    """Stand for `defaultdict`: the pickle fills it item by item, which is allowed for dicts only."""
    return {}


_OPTIMIZERS = {
    "adadelta": "Adadelta",
    "adagrad": "Adagrad",
    "adam": "Adam",
    "adamax": "Adamax",
    "adamw": "AdamW",
    "asgd": "ASGD",
    "lbfgs": "LBFGS",
    "nadam": "NAdam",
    "radam": "RAdam",
    "rmsprop": "RMSprop",
    "rprop": "Rprop",
    "sgd": "SGD",
}
_INERT_NAMES = (
    "functools.partial",
    # Classes that a defaultdict or a partial may name; a stand-in answers them, never the class itself.
    *(f"builtins.{name}" for name in ("bool", "dict", "float", "int", "list", "range", "slice", "str", "tuple")),
    *(f"torch.optim.{module}.{name}" for module, name in _OPTIMIZERS.items()),
    "torch.optim.optimizer._RequiredParameter",
    "fastai.callback.OptimWrapper",
    # numpy 1 and 2 name the same things differently.
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
    "numpy.dtype",
    "numpy.ndarray",
)
_STAND_INS: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    (_plain_dict, "collections.defaultdict"),
    *((Inert, name) for name in _INERT_NAMES),
    *((ModuleStandIn, name) for name in MODULE_NAMES),
]
# torch keeps the allow-list, and Python the warning filters, in one place for all threads.
_LOCK = threading.Lock()
_REFUSED = re.compile(r"GLOBAL (\S+)")
# The old container stores the source code of modules in place of a storage.
_NOT_STORAGE = "Only persistent_load of storage is allowed"


def unpickle(path: Path) -> object:
    """Read a checkpoint written by `torch.save`, zip or legacy container, tensors on the CPU.

    Objects that are not tensors or plain containers come back as `Inert` when their names are on the list of
    known harmless ones; a module that was pickled whole comes back as its state dict. Nothing that the file names is
    ever imported or run.
    Raises WeightsError when the file names anything else, or is damaged.
    """
    with _LOCK, warnings.catch_warnings(), torch.serialization.safe_globals(_STAND_INS):
        warnings.simplefilter("ignore")
        try:
            # An open file and not the path: torch.load judges paths by their suffix.
            with path.open("rb") as file:
                content: object = torch.load(file, map_location="cpu", weights_only=True)
            return state_of_module(content) if isinstance(content, ModuleStandIn) else content
        # A damaged or hostile pickle can raise any kind of exception out of the unpickler.
        except Exception as error:
            raise WeightsError(_explain(path, error)) from error


def _explain(path: Path, error: Exception) -> str:
    """Say in one line why the unpickler gave up."""
    text = str(error)
    refused = _REFUSED.search(text)
    if refused:
        return (
            f"{path}: refused, because the pickle asks for `{in_one_line(refused[1])}`, which no weights need and "
            "which could run code; save model.state_dict() alone, or convert it to .safetensors where you trust it"
        )
    if _NOT_STORAGE in text:
        return (
            f"{path}: refused, because a whole module was pickled here by PyTorch before 1.6, with its source code; "
            "save model.state_dict() alone, in the environment that it comes from"
        )
    # The last line is the cause; the lines before are advice for people who call torch.load themselves.
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    causes = [line for line in lines if "WeightsUnpickler error" in line] or lines[:1] or [""]
    cause = causes[0].removeprefix("WeightsUnpickler error:").strip()
    detail = in_one_line(f"{type(error).__name__}: {cause}" if cause else type(error).__name__)
    return f"{path}: cannot read the checkpoint, cut short or damaged ({detail}); download or copy it again"
