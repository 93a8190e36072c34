"""A network in PyTorch, as it is or as fast as PyTorch makes it, to measure others beside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from colorrt.contract import Precision
from colorrt.errors import BackendError, ModelError
from colorrt.runtime.sessions.session import count_cores

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from colorrt.models.family import Network

COMPILE_MODE = "reduce-overhead"
"""torch.compile's mode that replays CUDA graphs, as engines do."""


class TorchRunner:
    """A network in PyTorch on "cpu" or "cuda".

    `half`: FP16 with channels last, input and output FP32 in host memory all the same. `compiled`: through
    torch.compile (COMPILE_MODE); every new shape is compiled at its first run. FP32 is what PyTorch takes for it: on
    recent GPUs its convolutions round to TF32 unless `exact`. cuDNN may look for its fastest kernels. The network's
    own module is moved.

    Raises BackendError when PyTorch sees no GPU and is asked for one.
    """

    def __init__(
        self,
        network: Network,
        device: str,
        *,
        half: bool = False,
        compiled: bool = False,
        exact: bool = False,
        threads: int | None = None,
    ) -> None:
        if device == "cuda" and not torch.cuda.is_available():
            raise BackendError(
                f"PyTorch {torch.__version__} sees no GPU; install a CUDA build of it, or use --device cpu"
            )
        if threads is not None:
            torch.set_num_threads(min(threads, count_cores()))
        self._device = torch.device(device)
        self._dtype = torch.float16 if half else torch.float32
        self._layout = torch.channels_last if half else torch.contiguous_format
        self._exact = exact
        module = network.module.to(self._device, self._dtype, memory_format=self._layout)  # type: ignore[call-overload]  # torch: dtype and memory_format together are not in its overloads
        torch.backends.cudnn.benchmark = self.on_gpu
        self._call = torch.compile(module, mode=COMPILE_MODE) if compiled else module
        manner = [*(["channels last"] if half else []), *(["compiled"] if compiled else ["eager"])]
        place = torch.cuda.get_device_name(self._device) if self.on_gpu else "CPU"
        self.name = f"{network.model}, PyTorch {torch.__version__} {', '.join(manner)} on {place}"
        self.precision = Precision.FP16 if half else Precision.FP32 if exact or not self.on_gpu else "fp32 (tf32)"

    @property
    def on_gpu(self) -> bool:
        """Whether it runs on a GPU."""
        return self._device.type == "cuda"

    @property
    def device_memory(self) -> int:
        """The most bytes of GPU memory that PyTorch's allocator has held in this process."""
        return torch.cuda.max_memory_reserved(self._device)

    def run(self, luma: NDArray[np.float32]) -> NDArray[np.float32]:
        """Guess chroma (N x 2 x S x S) from luma (N x 1 x S x S), from host memory to host memory."""
        self._set_rounding()
        with torch.inference_mode():
            chroma: NDArray[np.float32] = self._call(self._take(luma)).float().cpu().numpy()
        return chroma

    def measure(self, luma: NDArray[np.float32], rounds: int, *, graph: bool) -> list[float]:
        """Return the milliseconds of each of `rounds` runs by CUDA events, the luma on the GPU already.

        `graph` is there for engines' sake: whether PyTorch replays one is decided by `compiled`. Raises ModelError on
        the CPU, which has no such clock.
        """
        if not self.on_gpu:
            raise ModelError(f"{self.name}: CUDA events time what runs on a GPU, and this does not")
        taken = []
        self._set_rounding()
        with torch.inference_mode():
            given = self._take(luma)
            self._call(given)
            torch.cuda.synchronize()
            for _ in range(rounds):
                start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]  # torch: events have no types
                start.record()
                self._call(given)
                end.record()
                torch.cuda.synchronize()
                taken.append(float(start.elapsed_time(end)))
        return taken

    def close(self) -> None:
        """Free the network."""
        del self._call
        if self.on_gpu:
            torch.cuda.empty_cache()

    def _take(self, luma: NDArray[np.float32]) -> torch.Tensor:
        return torch.from_numpy(luma).to(self._device, self._dtype).contiguous(memory_format=self._layout)

    def _set_rounding(self) -> None:
        # PyTorch has this for the whole process, and several networks may take turns.
        torch.backends.cudnn.allow_tf32 = not self._exact
