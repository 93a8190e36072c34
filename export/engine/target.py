"""What an engine is built for: pictures at a time, render factors, GPUs. Read from the command line's words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import ModuleType

from colorrt.contract import UNIT, Contract, Precision, check_render_factor
from colorrt.errors import BackendError, UsageError
from colorrt.runtime.sessions.flavors import Flavor
from colorrt.runtime.sessions.gpu import Gpu

ALL = "all"
TURING = "7.5"
# Render factors of an engine of any size when none are asked for.
FREE_FACTORS = (8, 16, 24)
MOST_PICTURES = 256
DATA_CENTER = {"9.0": "Hopper", "10.0": "Blackwell of data centers"}
"""Capabilities that TensorRT for RTX has no target for."""
EXAMPLES = {"--render-factors": "8:16:24"}

Shape = tuple[int, int, int, int]
"""Of luma: N x 1 x S x S."""


@dataclass(frozen=True)
class Range:
    """The least, the tuned and the largest of something."""

    least: int
    tuned: int
    largest: int

    @property
    def fixed(self) -> bool:
        """Whether it is one value."""
        return self.least == self.largest


def parse_range(text: str, name: str, largest: int) -> Range:
    """Read "4" or "1:4:8". `name` is that of the option. Raises UsageError for anything else and outside 1..largest."""
    example = (
        f"give one number, or three, as in {name} {EXAMPLES.get(name, '1:4:8')}: the smallest, the tuned, the largest"
    )
    if re.fullmatch(r"\d+(:\d+:\d+)?", text) is None:
        raise UsageError(f"{name} {text!r} is not a range; {example}")
    numbers = [int(part) for part in text.split(":")]
    least, tuned, most = numbers if len(numbers) == 3 else numbers * 3
    if not least <= tuned <= most:
        raise UsageError(f"{name} {text} does not rise from the smallest to the largest; {example}")
    if least < 1 or most > largest:
        raise UsageError(f"{name} {text} is outside 1..{largest}; {example}")
    return Range(least, tuned, most)


def parse_factors(text: str | None, contract: Contract) -> Range:
    """Read the render factors of an engine of the graph that `contract` describes.

    Raises UsageError when they are impossible or are not those of a graph of one size.
    """
    own = contract.render_factor
    if own is not None:
        if text is not None and parse_range(text, "--render-factors", 64) != Range(own, own, own):
            raise UsageError(
                f"the graph was exported for render factor {own} alone, not {text}; leave --render-factors out, or "
                "export a graph of any size: 'colorrt export' without --render-factor"
            )
        return Range(own, own, own)
    if text is None:
        return Range(*FREE_FACTORS)
    factors = parse_range(text, "--render-factors", 64)
    for factor in (factors.least, factors.largest):
        check_render_factor(factor)
    return factors


def find_capabilities(wanted: tuple[str, ...], flavor: Flavor, gpu: Gpu | None, precision: str) -> tuple[str, ...]:
    """Return the compute capabilities to build for ("8.6"), each once, in rising order; empty: the builder's default.

    `wanted`: what was asked for, "all" among it or not. Raises UsageError for one that the builder does not know,
    BackendError when the flavor takes none and is asked for another than the GPU in the machine.
    """
    if not hasattr(flavor.module, "ComputeCapability"):
        return _of_this_machine(wanted, flavor, gpu)
    known = known_capabilities(flavor.module)
    if not wanted and gpu is not None and not has_target(flavor.module, gpu.capability):
        raise BackendError(
            f"{flavor.title} has no target for the {gpu.name} here ({name_capability(gpu.capability)}): it builds for "
            f"{', '.join(known)}; use --backend tensorrt, or name another GPU's with --capability"
        )
    found = set()
    for one in wanted:
        if one == ALL:
            # The builder has no FP32 matrix products for Turing.
            found |= {each for each in known if each != TURING or precision != Precision.FP32}
        elif one in known:
            found.add(one)
        else:
            raise UsageError(
                f"--capability {name_capability(one)}: {flavor.title} builds for {', '.join(known)}; name some of "
                f"them, or {ALL}; for others, use --backend tensorrt on the machine with the GPU"
            )
    return tuple(each for each in known if each in found)


def known_capabilities(module: ModuleType) -> tuple[str, ...]:
    """Return the compute capabilities that the builder of `module` knows, in rising order."""
    names = (re.fullmatch(r"SM(\d+)(\d)", name) for name in module.ComputeCapability.__members__)
    pairs = sorted((int(name.group(1)), int(name.group(2))) for name in names if name is not None)
    return tuple(f"{major}.{minor}" for major, minor in pairs)


def has_target(module: ModuleType, capability: str) -> bool:
    """Whether the builder of `module` builds for GPUs of `capability`; True where it builds for what it finds."""
    if not hasattr(module, "ComputeCapability"):
        return True
    return capability not in DATA_CENTER or capability in known_capabilities(module)


def name_capability(capability: str) -> str:
    """Return a compute capability with the name of its data center GPUs: "9.0, Hopper"."""
    return f"{capability}, {DATA_CENTER[capability]}" if capability in DATA_CENTER else capability


def _of_this_machine(wanted: tuple[str, ...], flavor: Flavor, gpu: Gpu | None) -> tuple[str, ...]:
    if gpu is None:
        raise BackendError(
            f"{flavor.title} builds on the GPU that runs the engine, and no GPU was found here ('colorrt doctor' "
            "says why); build on that machine, or use --backend tensorrt_rtx, which needs none"
        )
    others = [one for one in wanted if one not in (ALL, gpu.capability)]
    if others:
        raise UsageError(
            f"--capability {others[0]}: {flavor.title} builds only for the GPU in the machine ({gpu.name}, "
            f"{gpu.capability}); leave it out, build on that machine, or use --backend tensorrt_rtx"
        )
    return (gpu.capability,)


def square_shapes(batch: Range, factors: Range) -> tuple[Shape, Shape, Shape]:
    """Return the least, tuned and largest shape of luma: N x 1 x S x S."""
    least, tuned, largest = (UNIT * factor for factor in (factors.least, factors.tuned, factors.largest))
    return (batch.least, 1, least, least), (batch.tuned, 1, tuned, tuned), (batch.largest, 1, largest, largest)
