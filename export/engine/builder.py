"""One build: a graph through TensorRT's builder to a plan, with its progress, its cache and a way to stop it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from colorrt.contract import INPUT
from colorrt.errors import ExportError, UsageError
from colorrt.export.engine.messages import Progress, forget, logger, monitor, reason
from colorrt.export.engine.parsing import parse_network
from colorrt.export.engine.target import TURING, Shape
from colorrt.export.engine.timing_cache import load_cache, store_cache
from colorrt.runtime.sessions.flavors import Flavor

MEGABYTE = 1 << 20
LEVELS = range(6)
# Between two looks at the progress, in seconds.
GLANCE = 0.1
WANTED = re.compile(r"Requested size was (\d+) bytes")


@dataclass(frozen=True)
class Tuning:
    """How the builder works, for those who know better than it."""

    level: int | None = None
    """Optimization level, 0..5: how long it looks for fast kernels. None: TensorRT's own, 3."""
    workspace: int | None = None
    """Scratch memory that it may use, in MB. None: all there is."""
    cache: Path | None = None
    """File of the timing cache that builds share."""

    def __post_init__(self) -> None:
        if self.level is not None and self.level not in LEVELS:
            raise UsageError(f"optimization level {self.level} is outside 0..{LEVELS[-1]}; 3 is TensorRT's own choice")
        if self.workspace is not None and self.workspace < 1:
            raise UsageError(f"a workspace of {self.workspace} MB holds nothing; give 1 or more, 1024 suits most")


@dataclass(frozen=True)
class Plan:
    """A built engine."""

    data: bytes = field(repr=False)
    activations: int | None
    """Scratch memory that it takes on the GPU in bytes, as the builder reports it; None where it does not."""


class EngineBuilder:
    """A builder and the network of one graph, to be looked at and then built."""

    def __init__(self, flavor: Flavor, graph: bytes) -> None:
        """Parse `graph`. Raises ExportError when the parser refuses it or there is no builder on this machine."""
        self._flavor = flavor
        self._builder = _make_builder(flavor)
        self.network = parse_network(flavor.module, self._builder, graph)

    def build(
        self,
        name: str,
        shapes: tuple[Shape, Shape, Shape],
        capabilities: tuple[str, ...],
        tuning: Tuning,
        *,
        say: Callable[[str], None] = lambda _: None,
        advance: Callable[[float, str], None] = lambda *_: None,
    ) -> Plan:
        """Build the plan of a network called `name`, for luma from the least to the largest of `shapes`.

        `capabilities`: what TensorRT for RTX builds for; empty leaves it to the builder. `say` hears warnings,
        `advance` hears, in the calling thread, the fraction that is done and TensorRT's name of what it does.
        KeyboardInterrupt stops the build at its next step and is raised again. Raises ExportError when it fails.
        """
        module = self._flavor.module
        self.network.name = name
        config = self._builder.create_builder_config()
        # Lets the engine be inspected wherever it runs; it costs some hundred bytes.
        config.profiling_verbosity = module.ProfilingVerbosity.DETAILED
        if tuning.level is not None:
            config.builder_optimization_level = tuning.level
        if tuning.workspace is not None:
            config.set_memory_pool_limit(module.MemoryPoolType.WORKSPACE, tuning.workspace * MEGABYTE)
        profile = self._builder.create_optimization_profile()
        profile.set_shape(INPUT, *shapes)
        if config.add_optimization_profile(profile) < 0:
            raise ExportError(f"TensorRT refuses the sizes from {shapes[0]} to {shapes[-1]}: {reason(module)}")
        self._aim(config, capabilities)
        cache = None
        if tuning.cache is not None and _keeps_cache(self._flavor, tuning.cache, say):
            cache = load_cache(module, config, tuning.cache, say)
        plan = self._run(config, advance)
        if plan is None:
            raise ExportError(_failure(self._flavor, capabilities, reason(module)))
        if cache is not None and tuning.cache is not None:
            store_cache(module, config, cache, tuning.cache, say)
        return Plan(bytes(plan), logger(module)[1].memory.get("Activation"))

    def _aim(self, config: Any, capabilities: tuple[str, ...]) -> None:
        module = self._flavor.module
        if not capabilities or not hasattr(module, "ComputeCapability"):
            return
        config.num_compute_capabilities = len(capabilities)
        for index, capability in enumerate(capabilities):
            target = getattr(module.ComputeCapability, f"SM{capability.replace('.', '')}")
            if not config.set_compute_capability(target, index):
                raise ExportError(f"{self._flavor.title} refuses capability {capability}: {reason(module)}")

    def _run(self, config: Any, advance: Callable[[float, str], None]) -> Any:
        """Build in a thread of its own: this one stays awake for the progress bar and for Ctrl-C."""
        progress = Progress()
        watcher = monitor(self._flavor.module, progress)
        config.progress_monitor = watcher
        forget(self._flavor.module)
        results: list[Any] = []
        failures: list[BaseException] = []

        def work() -> None:
            try:
                results.append(self._builder.build_serialized_network(self.network, config))
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=work, name="colorrt-build", daemon=True)
        thread.start()
        try:
            while thread.is_alive():
                thread.join(GLANCE)
                advance(*progress.state)
        finally:
            # Left by an interrupt only while the thread runs.
            progress.cancel()
            while thread.is_alive():
                with suppress(KeyboardInterrupt):
                    thread.join(GLANCE)
        if failures:
            raise ExportError(f"{self._flavor.title} failed ({failures[0]}); nothing was written") from failures[0]
        return results[0]


def _make_builder(flavor: Flavor) -> Any:
    forget(flavor.module)
    try:
        builder = flavor.module.Builder(logger(flavor.module)[0])
    # The bindings raise TypeError when the library returns no object.
    except Exception as error:
        builder, said = None, str(error)
    else:
        said = ""
    if builder is None:
        heard = reason(flavor.module) if logger(flavor.module)[1].errors else " ".join(said.split())
        raise ExportError(f"{flavor.title} does not start here ({heard}); 'colorrt doctor' shows what is missing")
    return builder


def _keeps_cache(flavor: Flavor, path: Path, say: Callable[[str], None]) -> bool:
    if flavor.name == "tensorrt_rtx":
        say(f"{flavor.title} times no kernels while it builds, so {path} is neither read nor written")
        return False
    return True


def _failure(flavor: Flavor, capabilities: tuple[str, ...], why: str) -> str:
    wanted = WANTED.search(why)
    if TURING in capabilities and "Turing" in why:
        advice = f"leave out --capability {TURING}, or use --precision fp16"
    elif wanted is not None:
        advice = f"give --workspace {int(wanted.group(1)) // MEGABYTE + 1} or more, or leave it out"
    elif "memory" in why.lower():
        advice = "use a smaller --batch or render factor, or close other programs"
    else:
        advice = "nothing was written; another --optimization-level or --precision may work, or another TensorRT"
    return f"{flavor.title} cannot build the engine: {why}; {advice}"
