"""The per-pixel work in Numba: luma out of a picture, the square a network sees, chroma back onto luma.

numpy arrays in, numpy arrays out; no other package than numba and numpy is imported here.
"""

from __future__ import annotations

from colorrt.kernels.ahead import compile_ahead
from colorrt.kernels.chroma import render_planes, render_rgb
from colorrt.kernels.compiling import on_first_compile, set_threads, thread_limit
from colorrt.kernels.luma import luma
from colorrt.kernels.resize import resize_luma, resize_plane
from colorrt.kernels.warming import warm_up

__all__ = [
    "compile_ahead",
    "luma",
    "on_first_compile",
    "render_planes",
    "render_rgb",
    "resize_luma",
    "resize_plane",
    "set_threads",
    "thread_limit",
    "warm_up",
]
