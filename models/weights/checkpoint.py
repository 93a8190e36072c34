"""Weights files: telling what a file is, reading its state dict, filling a module with it."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from colorrt.atomic import in_one_line
from colorrt.errors import WeightsError
from colorrt.models.weights.unpickling import unpickle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_HEAD_BYTES = 512
# What `torch.save` of PyTorch before 1.6 begins with: a protocol-2 pickle of its magic number.
_LEGACY_MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
_ZIP_MAGIC = b"PK\x03\x04"
# fastai's `Learner.save`, and the training code of the IPOL review: the keys of each, the weights first.
_CONTAINERS = (("model", "opt"), ("state_dict", "training_params"))
# BasicSR, and so DDColor: weights averaged over the training where there are such, else as they were at its end.
_NAMED_STATES = ("params_ema", "params")
_NAMED = 3
_HALVES = (torch.float16, torch.bfloat16)


def load_state(path: Path) -> dict[str, Tensor]:
    """Read the state dict in a weights file, tensors on the CPU in the file's own dtypes.

    But halves (FP16, bfloat16) in safetensors become float32: so weights are stored there, not computed with.

    Takes `.safetensors`, and files of `torch.save` old (before 1.6) and new (zip), holding either a bare
    state dict, exactly the keys `model` and `opt` as fastai's `Learner.save` writes them, exactly `state_dict` and
    `training_params` as the IPOL review's code does, or a state dict by the name of `params_ema` or `params` as BasicSR
    does. The kind is told by the content, not by the name. Nothing in the file is executed.
    Raises WeightsError for everything else, in one line that says what the file is.
    """
    head = _read_head(path)
    if _looks_like_safetensors(head):
        return _read_safetensors(path)
    if head.startswith((_LEGACY_MAGIC, _ZIP_MAGIC)):
        if head.startswith(_ZIP_MAGIC):
            _check_zip(path)
        return _state_of(path, unpickle(path))
    raise WeightsError(f"{path}: {_name_kind(path, head)}")


def shape_of(state: Mapping[str, Tensor], key: str) -> tuple[int, ...]:
    """Return the shape of one tensor. Raises WeightsError that names `key` when it is missing."""
    if key not in state:
        raise WeightsError(f"the state dict lacks {key}; the file is incomplete or of another network")
    return tuple(state[key].shape)


def fill(module: nn.Module, state: Mapping[str, Tensor], name: str) -> None:
    """Give `module` the tensors of `state`, every one and no other, and put it into eval mode.

    Floating-point tensors become float32. The tensors are taken over, not copied, so a module that was made
    on the meta device becomes real by this. `name` says in messages what the module is.
    Raises WeightsError that names the first keys that are missing, left over or of another shape.
    """
    state = dict(state)
    expected = module.state_dict()
    # Counters of training steps, without effect on the result; some converters drop them.
    for key in expected.keys() - state.keys():
        if key.endswith(".num_batches_tracked"):
            state[key] = torch.tensor(0)
    faults = [
        *_list_some("lacks", [key for key in expected if key not in state]),
        *_list_some("has unknown", [key for key in state if key not in expected]),
        *_list_some("has wrong shapes:", _describe_misfits(expected, state)),
    ]
    if faults:
        raise WeightsError(
            f"the state dict looks like {name}, but {' and '.join(faults)}; the file is damaged, incomplete "
            "or a variant that colorrt does not know"
        )
    real = {key: value.detach() for key, value in state.items()}
    real = {key: value.float() if value.is_floating_point() else value for key, value in real.items()}
    module.load_state_dict(real, strict=True, assign=True)
    module.eval().requires_grad_(False)


def _describe_misfits(expected: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[str]:
    """List the keys whose shapes differ, each with both shapes."""
    return [
        f"{key} is {tuple(state[key].shape)} instead of {tuple(value.shape)}"
        for key, value in expected.items()
        if key in state and state[key].shape != value.shape
    ]


def _list_some(verb: str, items: list[str]) -> list[str]:
    """Make a clause of the first items and the number of the rest; nothing when there are none."""
    if not items:
        return []
    rest = f" and {len(items) - _NAMED} more" if len(items) > _NAMED else ""
    return [f"{verb} {', '.join(in_one_line(item) for item in items[:_NAMED])}{rest}"]


def _read_head(path: Path) -> bytes:
    """Read the first bytes of a file that must exist and not be empty."""
    if path.is_dir():
        raise WeightsError(f"{path}: this is a folder, not a weights file; give the .pth or .safetensors file in it")
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: there is no such weights file; check the path") from error
    except OSError as error:
        raise WeightsError(f"{path}: cannot read the weights file ({error.strerror}); check its permissions") from error
    if not head:
        raise WeightsError(f"{path}: the weights file is empty; download or copy it again")
    return head


def _looks_like_safetensors(head: bytes) -> bool:
    """Whether a file begins as safetensors do: the header's length in eight bytes, then JSON."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 30


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        state = safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, ValueError, OSError) as error:
        raise WeightsError(
            f"{path}: cannot read the safetensors file, it is cut short or damaged ({_first_line(error)}); "
            "download or copy it again"
        ) from error
    if not state:
        raise WeightsError(f"{path}: the safetensors file holds no tensors; save a network's state_dict() into it")
    _check_tensors(path, state)
    return {name: tensor.float() if tensor.dtype in _HALVES else tensor for name, tensor in state.items()}


def _check_zip(path: Path) -> None:
    """Refuse zip files that `torch.save` did not write, or that end before their table of contents."""
    try:
        with zipfile.ZipFile(path) as archive:
            records = archive.infolist()
            leaves = {record.filename.rpartition("/")[2] for record in records}
    # Damage raises NotImplementedError, struct.error and others besides BadZipFile.
    except Exception as error:
        raise WeightsError(
            f"{path}: the checkpoint is cut short or damaged ({_first_line(error)}); download or copy it again"
        ) from error
    if "constants.pkl" in leaves:
        raise WeightsError(
            f"{path}: this is a TorchScript program, not weights; give the checkpoint with the state dict"
        )
    if "data.pkl" not in leaves:
        raise WeightsError(
            f"{path}: this zip archive is not a checkpoint; unpack it and give the .pth or .safetensors file in it"
        )
    # torch.save stores records as they are. Deflated, 4 MB become 4 GB; and of shared bytes, many records can be made.
    if any(record.compress_type != zipfile.ZIP_STORED for record in records) or (
        sum(record.file_size for record in records) > path.stat().st_size
    ):
        raise WeightsError(
            f"{path}: the checkpoint's records are compressed, as torch.save never writes them and a bomb would be; "
            "save it anew with torch.save where you trust it"
        )


def _state_of(path: Path, content: object) -> dict[str, Tensor]:
    """Take the state dict out of an unpickled object."""
    for keys in _CONTAINERS:
        if isinstance(content, dict) and set(content) == set(keys):
            content = content[keys[0]]
    if isinstance(content, dict):
        states = (content.get(name) for name in _NAMED_STATES)
        content = next((state for state in states if isinstance(state, dict)), content)
    if not isinstance(content, dict):
        kind = "a single tensor" if isinstance(content, Tensor) else f"a {type(content).__name__}"
        raise WeightsError(f"{path}: the checkpoint holds {kind}, not a state dict; save model.state_dict() instead")
    if not content:
        raise WeightsError(f"{path}: the state dict in the checkpoint is empty; save model.state_dict() again")
    strangers = [key for key, value in content.items() if not (isinstance(key, str) and isinstance(value, Tensor))]
    if strangers:
        named = ", ".join(map(_brief, strangers[:_NAMED])) + (", ..." if len(strangers) > _NAMED else "")
        raise WeightsError(
            f"{path}: the checkpoint is not a state dict, because {named} "
            f"{'is not a tensor' if len(strangers) == 1 else 'are not tensors'}; give a bare state dict "
            "or a file with exactly the keys model and opt"
        )
    _check_tensors(path, content)
    return dict(content)


def _check_tensors(path: Path, state: Mapping[str, Tensor]) -> None:
    """Refuse tensors that no network here computes with."""
    for key, value in state.items():
        kind = None
        if value.is_meta:
            kind = "has no values (a tensor on the meta device)"
        elif value.layout != torch.strided:
            kind = f"is sparse ({value.layout})"
        elif value.is_quantized:
            kind = f"is quantized ({value.dtype})"
        elif not value.is_floating_point() and value.dim() > 0:
            kind = f"is of {value.dtype}"
        elif value.numel() > _largest_count(value):
            kind = "repeats values that are stored once"
        if kind is not None:
            raise WeightsError(
                f"{path}: {_brief(key)} in the checkpoint {kind}, and weights are dense tensors of floating-point "
                "numbers; save the state dict of the network as it was trained"
            )


def _largest_count(value: Tensor) -> int:
    """Return how many numbers the storage of a tensor holds."""
    return value.untyped_storage().nbytes() // value.element_size()


def _brief(key: object) -> str:
    """Return a key of a dictionary for a message."""
    if isinstance(key, str | int | float | bool | None):
        return in_one_line(repr(key)[:80])
    # Nested deeply enough, its own words are too much for Python.
    return f"a key that is a {type(key).__name__}"


def _name_kind(path: Path, head: bytes) -> str:
    """Say what a file is that is no checkpoint, and what to do instead."""
    for matches, sentence in _STRANGERS:
        if matches(head):
            return sentence
    if path.suffix == ".safetensors":
        return "this is not a safetensors file, or it is damaged; download or copy it again"
    return (
        "this is not a weights file of a known kind; give a .pth file of torch.save or a .safetensors file, "
        "or download it again"
    )


def _is_web_page(head: bytes) -> bool:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return start.startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<!--"))


def _is_onnx(head: bytes) -> bool:
    """Whether a file begins as a ModelProto: ir_version (field 1), then any other of its fields."""
    fields = (0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42, 0x72)
    return len(head) > 2 and head[0] == 0x08 and 0 < head[1] < 0x80 and head[2] in fields


def _is_text(head: bytes) -> bool:
    return all(byte >= 0x20 or byte in b"\t\n\r\f" for byte in head)


_STRANGERS: tuple[tuple[Callable[[bytes], bool], str], ...] = (
    (
        _is_web_page,
        "this is a web page, not weights; download the file itself, not the page that shows it",
    ),
    (
        lambda head: head.startswith(b"version https://git-lfs"),
        "this is a Git LFS pointer, not the weights it stands for; fetch them with `git lfs pull`",
    ),
    (
        _is_onnx,
        "this is an ONNX model, not weights; run it as it is, or give the checkpoint it was exported from",
    ),
    (
        lambda head: head.startswith((b"ftrt", b"ptrt", b"vtrt")),
        "this is a TensorRT engine, not weights; run it as it is, or give the checkpoint it was built from",
    ),
    (
        lambda head: head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"),
        "this is a pickle that torch.save did not write; save the network's state_dict() with torch.save",
    ),
    (
        lambda head: head.startswith(b"\x89HDF\r\n"),
        "this is an HDF5 file, perhaps of Keras, not PyTorch weights; give a .pth or .safetensors file",
    ),
    (
        lambda head: b"ustar" in head[257:265],
        "this is a tar archive, not weights; unpack it and give the .pth or .safetensors file in it",
    ),
    (
        _is_text,
        "this is a text file, not weights; give a .pth file of torch.save or a .safetensors file",
    ),
)


def _first_line(error: Exception) -> str:
    return in_one_line((str(error).strip().splitlines() or [type(error).__name__])[0])
