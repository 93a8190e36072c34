"""How a network does on photographs that it is not trained on: PSNR, and sheets for the eye."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from colorrt.atomic import atomic_path
from colorrt.errors import UsageError
from colorrt.training.frames import LabFrame
from colorrt.training.objective import Objective
from colorrt.training.squares.augment import join, split
from colorrt.training.squares.dataset import Dataset
from colorrt.training.trainee import Trainee

MOST_PHOTOS = 200
SHEET_ROWS = 6
_BATCH = 8
# As many small pictures at once as have the pixels of some large ones.
_BATCH_PIXELS = 1 << 17
_GAP = 4
_GROUND = 30


@dataclass(frozen=True)
class Score:
    """Means over the photographs, in dB; `gray` is what their plain gray pictures score.

    `mae`, `gray_mae`: mean absolute error of a and b of CIE Lab in the units of the network, of networks that guess
    those; gray is a = b = 0.
    """

    photos: int
    psnr_db: float
    gray_psnr_db: float
    mae: float | None = None
    gray_mae: float | None = None


def whole_squares(dataset: Dataset, size: int, most: int = MOST_PHOTOS) -> Tensor:
    """Squeeze the first `most` fit photographs to squares as the runtime does: N x S x S x 3 uint8."""
    squares: list[Tensor] = []
    for index in range(len(dataset)):
        if len(squares) == most:
            break
        picture = dataset.photo(index)
        if picture is not None:
            square = Image.fromarray(picture).resize((size, size), Image.Resampling.BICUBIC)
            squares.append(torch.from_numpy(np.array(square)))
    return torch.stack(squares) if squares else torch.empty(0, size, size, 3, dtype=torch.uint8)


def guess_chroma(trainee: Trainee, objective: Objective, network: nn.Module, luma: Tensor) -> Tensor:
    """Guess chroma (N x 2 x S x S) of luma (N x 1 x S x S) with `network` in eval mode, no gradients."""
    training = network.training
    network.eval()
    with torch.inference_mode():
        if trainee.frame is not None:
            # What the network is given when it is used: it cannot see the original then, whatever it learned from.
            guess = network(trainee.frame.see(luma, torch.zeros_like(luma).expand(-1, 2, -1, -1))).float()
            chroma = trainee.frame.chroma(luma, guess)
        else:
            guess = network(trainee.see(luma)).float()
            chroma = guess if trainee.space == "chroma" else objective.chroma_of(trainee_clamped(trainee, guess))
    network.train(training)
    return chroma


def trainee_clamped(trainee: Trainee, rgb: Tensor) -> Tensor:
    """Normalized RGB as a picture can show it: within 0..1 once it is undone."""
    shown = trainee.denormalize(rgb).clamp(0, 1)
    return (shown - trainee.mean) / trainee.std


def validate(
    trainee: Trainee, objective: Objective, network: nn.Module, squares: Tensor, device: torch.device
) -> Score:
    """Color the clean luma of squares (N x S x S x 3 uint8) and compare: mean PSNR of RGB, clamped to 0..1."""
    ours: list[float] = []
    gray: list[float] = []
    errors: list[tuple[float, float]] = []
    for part in torch.split(squares, max(_BATCH, _BATCH_PIXELS // squares.shape[1] ** 2)):
        luma, chroma = (tensor.to(device) for tensor in split(part))
        truth = join(luma, chroma)
        guess = join(luma, guess_chroma(trainee, objective, network, luma)).clamp(0, 1)
        ours += _psnr(guess, truth)
        gray += _psnr(luma.expand_as(truth), truth)
        if isinstance(trainee.frame, LabFrame):
            errors += _lab_errors(trainee.frame, network, luma, chroma)
    mae, gray_mae = np.mean(errors, axis=0).tolist() if errors else (None, None)
    return Score(len(ours), float(np.mean(ours)), float(np.mean(gray)), mae, gray_mae)


def _lab_errors(frame: LabFrame, network: nn.Module, luma: Tensor, chroma: Tensor) -> list[tuple[float, float]]:
    """Mean absolute errors of the network and of gray, a pair a picture, the input as in the training."""
    training = network.training
    network.eval()
    with torch.inference_mode():
        guess, truth = network(frame.see(luma, chroma)).float(), frame.truth(luma, chroma)
    network.train(training)
    gray = -frame.scale.offset / frame.scale.gain
    ours, theirs = ((one - truth).abs().mean(dim=(1, 2, 3)).tolist() for one in (guess, torch.full_like(truth, gray)))
    return list(zip(ours, theirs, strict=True))


def write_samples(
    path: Path, trainee: Trainee, objective: Objective, network: nn.Module, squares: Tensor, device: torch.device
) -> None:
    """Write a PNG of gray, guess and original side by side, a row a photograph.

    Raises UsageError when it cannot be written.
    """
    luma, chroma = (tensor.to(device) for tensor in split(squares))
    guess = join(luma, guess_chroma(trainee, objective, network, luma))
    columns = [_pixels(luma.expand(-1, 3, -1, -1)), _pixels(guess), _pixels(join(luma, chroma))]
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path, UsageError) as part:
        Image.fromarray(_lay_out(columns)).save(part, format="PNG")


def _lay_out(
    columns: Sequence[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    count, size = columns[0].shape[:2]
    step = size + _GAP
    sheet = np.full((count * step + _GAP, len(columns) * step + _GAP, 3), _GROUND, np.uint8)
    for column, pictures in enumerate(columns):
        for row, picture in enumerate(pictures):
            top, left = _GAP + row * step, _GAP + column * step
            sheet[top : top + size, left : left + size] = picture
    return sheet


def _pixels(rgb: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    levels = (rgb.clamp(0, 1) * 255).round().to(torch.uint8)
    return levels.permute(0, 2, 3, 1).cpu().numpy()


def _psnr(guess: Tensor, truth: Tensor) -> list[float]:
    error = (guess - truth).square().mean(dim=(1, 2, 3)).clamp_min(1e-10)
    return (-10 * error.log10()).tolist()
