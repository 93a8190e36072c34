"""The flavors of TensorRT: one Python API in two packages, and which of them is installed."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass, field
from types import ModuleType

from colorrt.contract import FLAVORS, EngineFlavor
from colorrt.errors import BackendError, UsageError

EXTRAS: dict[str, str] = {EngineFlavor.TENSORRT: "trt", EngineFlavor.TENSORRT_RTX: "rtx"}
TITLES: dict[str, str] = {EngineFlavor.TENSORRT: "TensorRT", EngineFlavor.TENSORRT_RTX: "TensorRT for RTX"}


@dataclass(frozen=True)
class Flavor:
    """A TensorRT that is installed and loads.

    `name`: "tensorrt" or "tensorrt_rtx". `version`: what the package says of itself ("10.13.3.9"). `module`: the
    package; both have the same API, but for what the one or the other lacks.
    """

    name: str
    version: str
    module: ModuleType = field(repr=False, compare=False)

    @property
    def title(self) -> str:
        """Its name for people: "TensorRT for RTX 1.7.1.116"."""
        return f"{TITLES[self.name]} {self.version}"


def find_flavor(name: str | None = None) -> Flavor:
    """Return the flavor `name`; for None, "tensorrt" where it is installed and loads, else "tensorrt_rtx".

    Raises BackendError, with what to install, when there is none, or when it is installed and does not load;
    UsageError for a name that no flavor has.
    """
    if name is not None and name not in FLAVORS:
        raise UsageError(f"there is no TensorRT flavor {name!r}; choose one of {', '.join(FLAVORS)}")
    problems = []
    for wanted in FLAVORS if name is None else (name,):
        found = _load(wanted)
        if isinstance(found, Flavor):
            return found
        if found is not None:
            problems.append(found)
    if problems:
        raise BackendError("; ".join(problems))
    if name is None:
        raise BackendError(
            "TensorRT is not installed; pip install 'colorrt[trt]' (data center, workstation), "
            "'colorrt[rtx]' (RTX cards), or on a Jetson use JetPack's"
        )
    jetpack = ", or on a Jetson use JetPack's" if name == EngineFlavor.TENSORRT else ""
    raise BackendError(f"{TITLES[name]} is not installed; pip install 'colorrt[{EXTRAS[name]}]'{jetpack}")


def installed_flavors() -> tuple[Flavor, ...]:
    """Return every flavor that is installed and loads, the preferred one first."""
    return tuple(found for name in FLAVORS if isinstance(found := _load(name), Flavor))


def broken_flavors() -> tuple[str, ...]:
    """Say of every flavor that is installed and does not load why, each in one sentence."""
    return tuple(found for name in FLAVORS if isinstance(found := _load(name), str))


def parse_version(text: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: (10, 13, 3, 9) of "10.13.3.9"; empty where there are none."""
    start = re.match(r"\d+(\.\d+)*", text)
    return () if start is None else tuple(int(part) for part in start.group().split("."))


def _load(name: str) -> Flavor | str | None:
    """Return the flavor, why it does not load, or None where it is not installed."""
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == name:
            return None
        return _broken(name, error)
    except Exception as error:
        # A missing driver, CUDA or TensorRT library comes as ImportError, OSError, RuntimeError or FileNotFoundError.
        return _broken(name, error)
    version = getattr(module, "__version__", None)
    if not isinstance(version, str) or not hasattr(module, "Runtime"):
        return (
            f"{TITLES[name]} is installed but is not TensorRT (the package {name} has no version or no Runtime); "
            + (f"pip install --force-reinstall 'colorrt[{EXTRAS[name]}]'")
        )
    return Flavor(name, version, module)


def _broken(name: str, error: Exception) -> str:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return (
        f"{TITLES[name]} is installed but does not load ({reason}); "
        f"pip install --force-reinstall 'colorrt[{EXTRAS[name]}]', or update the NVIDIA driver"
    )
