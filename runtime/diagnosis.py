"""What this machine has to run networks with, tried instead of believed, and what is missing. Nothing here raises."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from colorrt.errors import BackendError
from colorrt.runtime.sessions.flavors import broken_flavors, installed_flavors
from colorrt.runtime.sessions.gpu import NO_PACKAGE, Gpu, GpuSearch, search_gpu

T = TypeVar("T")

TEGRA_FILE = Path("/etc/nv_tegra_release")
PACKAGES_FILE = Path("/var/lib/dpkg/status")
# Jetson Linux release -> JetPack. https://developer.nvidia.com/embedded/jetpack-archive
JETPACKS = {"32": "4", "34": "5", "35": "5", "36": "6", "38": "7"}
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


@dataclass(frozen=True)
class Provider:
    """An execution provider of ONNX Runtime. `problem`: why it does not work here; None when a network ran on it."""

    name: str
    problem: str | None

    @property
    def short(self) -> str:
        """ "CUDA" of "CUDAExecutionProvider"."""
        return self.name.removesuffix("ExecutionProvider")


@dataclass(frozen=True)
class Diagnosis:
    """What was found."""

    search: GpuSearch
    jetpack: str | None
    """"6.2 (Jetson Linux 36.4.3)"; None: this is no Jetson."""
    flavors: tuple[str, ...]
    """TensorRTs that load, with version, the preferred one first."""
    broken: tuple[str, ...]
    """Of each that is installed and does not load, a sentence with the reason."""
    runtime_problem: str | None
    """Why ONNX Runtime does not load; None when it does."""
    providers: tuple[Provider, ...]
    """Those that colorrt can take: CPU, and CUDA where the package has it."""
    others: tuple[str, ...]
    """Those that the package has and colorrt does not take."""
    openvino: str | None = None
    """Version of OpenVINO and the numbers it computes with here, "2026.4.1 (fp32, bf16)"; None: it does not run."""
    openvino_problem: str | None = None
    """Why it does not."""


def diagnose() -> Diagnosis:
    """Look at the machine. Takes about as long as loading what it tries. Never raises."""
    silent: tuple[tuple[Provider, ...], tuple[str, ...], str | None] = ((), (), "it does not answer")
    providers, others, problem = _safely(_providers, silent)
    unasked: tuple[str | None, str | None] = (None, "it does not answer")
    found, why = _safely(_openvino, unasked)
    return Diagnosis(
        search=search_gpu(),
        jetpack=_safely(_jetpack, None),
        flavors=_safely(lambda: tuple(flavor.title for flavor in installed_flavors()), ()),
        broken=_safely(broken_flavors, ()),
        runtime_problem=problem,
        providers=providers,
        others=others,
        openvino=found,
        openvino_problem=why,
    )


def say_choice(found: Diagnosis) -> str:
    """Say what 'colorrt run' takes of itself, and why."""
    if found.runtime_problem is not None:
        return f"nothing: ONNX Runtime does not load ({found.runtime_problem})"
    problem = next(
        (provider.problem for provider in found.providers if provider.name == CPU), "it is not in the package"
    )
    if problem is not None:
        return f"nothing: ONNX Runtime does not run on the CPU ({problem})"
    return "ONNX Runtime on the CPU, for every ONNX file, including the shipped model"


def say_openvino(found: Diagnosis) -> str:
    """Say what 'colorrt run --device openvino' takes."""
    if found.openvino is None:
        return f"nothing: {found.openvino_problem or 'OpenVINO is not installed'}"
    return f"OpenVINO {found.openvino} on the CPU"


def say_cuda(found: Diagnosis) -> str:
    """Say what 'colorrt run --device cuda' takes."""
    cuda = next((provider for provider in found.providers if provider.name == CUDA), None)
    if cuda is None:
        return "nothing: the installed ONNX Runtime has no CUDA"
    if cuda.problem is not None:
        return f"nothing: CUDA does not work in ONNX Runtime ({cuda.problem})"
    return f"ONNX Runtime on {_name(found.search.gpu)}"


def say_engines(found: Diagnosis) -> str:
    """Say what 'colorrt run --engine FILE.plan' takes."""
    if not found.flavors:
        return (
            "nothing: TensorRT is installed but does not load" if found.broken else "nothing: TensorRT is not installed"
        )
    if found.search.gpu is None:
        return f"nothing: {found.flavors[0]} is here, but {_reason(found.search)}"
    return f"{' or '.join(found.flavors)} on {_name(found.search.gpu)}, as the engine was built for"


def advise(found: Diagnosis) -> list[str]:
    """Say, a line each, what to install for more."""
    lines = list(found.broken)
    if found.runtime_problem is not None:
        lines.append("ONNX Runtime (runs networks): pip install --force-reinstall onnxruntime")
    gpu = found.search.gpu
    if gpu is None:
        if found.search.reason == NO_PACKAGE:
            lines.append(f"to detect a GPU: {NO_PACKAGE}")
        else:
            lines.append(
                f"no NVIDIA GPU is used ({_reason(found.search)}); if there is one: pip install 'colorrt[gpu]'"
            )
        return lines
    if not found.flavors and not found.broken:
        lines.append(f"TensorRT engines, the fastest on {gpu.name}: {_tensorrt(found)}")
    cuda = next((provider for provider in found.providers if provider.name == CUDA), None)
    if cuda is None:
        # Both packages put their files into one folder: the one that is installed last is the one that runs.
        lines.append(
            "ONNX files on the GPU (--device cuda): pip uninstall onnxruntime, then pip install --force-reinstall "
            "onnxruntime-gpu"
        )
    elif cuda.problem is not None:
        lines.append("ONNX files on the GPU (--device cuda): pip install 'onnxruntime-gpu[cuda,cudnn]'")
    return lines


def _tensorrt(found: Diagnosis) -> str:
    if found.jetpack is not None:
        return (
            "sudo apt install nvidia-jetpack, and a virtual environment with --system-site-packages (JetPack 6 has "
            "TensorRT 10; TensorRT 11.4 runs on JetPack 7.2.2 and later)"
        )
    return "pip install 'colorrt[trt]', or 'colorrt[rtx]' for TensorRT for RTX on RTX cards"


def _name(gpu: Gpu | None) -> str:
    return "the GPU" if gpu is None else gpu.name


def _reason(search: GpuSearch) -> str:
    return search.reason or "there is no GPU"


def _providers() -> tuple[tuple[Provider, ...], tuple[str, ...], str | None]:
    try:
        from colorrt.runtime.sessions.ort import available_providers, try_provider
    except Exception as error:
        return (), (), " ".join(str(error).split())[:200] or type(error).__name__
    names = available_providers()
    tried = tuple(Provider(name, try_provider(name)) for name in (CPU, CUDA) if name in names)
    return tried, tuple(Provider(name, None).short for name in names if name not in (CPU, CUDA)), None


def _openvino() -> tuple[str | None, str | None]:
    if find_spec("openvino") is None:
        return None, "OpenVINO is not installed"
    from colorrt.runtime.sessions.openvino import describe_openvino

    try:
        release, numbers = describe_openvino()
    except BackendError as error:
        return None, str(error)
    return f"{release} ({numbers})", None


def _jetpack() -> str | None:
    """Read the release of Jetson Linux, and of JetPack where its package is installed."""
    if not TEGRA_FILE.exists():
        return None
    # "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, DATE: ..."
    found = re.search(r"R(\d+) \(release\), REVISION: ([\d.]+)", TEGRA_FILE.read_text(errors="replace"))
    if found is None:
        return "of unknown release"
    linux = f"Jetson Linux {found.group(1)}.{found.group(2)}"
    package = None
    if PACKAGES_FILE.exists():
        pattern = r"^Package: nvidia-jetpack\n(?:.+\n)*?Version: ([\d.]+)"
        package = re.search(pattern, PACKAGES_FILE.read_text(errors="replace"), re.MULTILINE)
    if package is not None:
        return f"{package.group(1)} ({linux})"
    return f"{JETPACKS.get(found.group(1), 'of unknown release')} ({linux})"


def _safely(probe: Callable[[], T], otherwise: T) -> T:
    try:
        return probe()
    except Exception:
        return otherwise
