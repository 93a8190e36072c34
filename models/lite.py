"""`lite`, the network that ships: EfficientNet-Lite encoder, DeOldify-style decoder, two-channel UV head.

Made for CPUs: 1.2 GMAC and 5.3 M parameters at 256 x 256 as shipped (`training/recipes/lite.toml`). The decoder
has DeOldify's blocks (1 x 1 convolution, blurred pixel shuffle, skip connection, self-attention) at 1/16 of
the input instead of 1/8, so attention costs a sixteenth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorrt.errors import WeightsError
from colorrt.models.encoders.efficientnet import ENCODERS, Encoder
from colorrt.models.family import Family
from colorrt.models.layers import SelfAttention, blur, crop_to, icnr_
from colorrt.models.weights.checkpoint import fill

if TYPE_CHECKING:
    from collections.abc import Mapping

CHROMA_LIMIT = 0.6
FIRST_UP = 16
"""The first up block comes to this part of the size."""


@dataclass(frozen=True)
class LiteShape:
    """Hyper-parameters of `lite`.

    `widths`: of the decoder at 1/16, 1/8 and so on, one to four of them; where it ends before 1/2, chroma is guessed
    there and interpolated. `attention`: inner width of attention. `encoder`: a name of `efficientnet.ENCODERS`.
    `attention_at`: 16 or 32, attention stands at that part of the size; at 32 the first of `widths` cannot be the
    encoder's last.
    """

    widths: tuple[int, ...] = (160, 96, 64, 32)
    attention: int = 40
    encoder: str = "lite0"
    attention_at: int = 16


class UpBlock(nn.Module):
    """Double the size by a blurred pixel shuffle, join the skip, convolve."""

    def __init__(self, inside: int, skip: int, outside: int) -> None:
        super().__init__()
        self.shuffle = nn.Conv2d(inside, outside * 4, 1, bias=False)
        icnr_(self.shuffle.weight)
        self.shuffle_norm = nn.BatchNorm2d(outside * 4)
        self.skip_norm = nn.BatchNorm2d(skip)
        self.conv = nn.Conv2d(outside + skip, outside, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(outside)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """N x C x H x W and a skip of N x K x 2H' x 2W' -> N x C' x 2H' x 2W'."""
        up = F.relu(self.shuffle_norm(self.shuffle(x)))
        up = crop_to(blur(F.pixel_shuffle(up, 2)), skip)
        joined = torch.cat([up, self.skip_norm(skip)], dim=1)
        return F.relu(self.norm(self.conv(F.relu(joined))))


class Lite(nn.Module):
    """Luma to chroma in one network, any size that is a multiple of 16.

    Input: N x 1 x S x S float32, luma 0..1. Output: N x 2 x S x S float32, U and V in the units of luma,
    within +-0.6. Raises ValueError for a shape that could not be read back from its tensors.
    """

    def __init__(self, shape: LiteShape | None = None) -> None:
        super().__init__()
        shape = shape or LiteShape()
        self.encoder = Encoder(shape.encoder)
        self.attends_first = shape.attention_at == 2 * FIRST_UP
        if self.attends_first and shape.widths[0] == self.encoder.channels:
            raise ValueError(f"attention at 1/32 needs a first width other than {self.encoder.channels}")
        widths = (self.encoder.channels, *shape.widths)
        skips = reversed(self.encoder.skips.values())
        self.up = nn.ModuleList(
            UpBlock(inside, skip, outside)
            for inside, skip, outside in zip(widths[:-1], skips, widths[1:], strict=False)
        )
        self.attention = SelfAttention(
            self.encoder.channels if self.attends_first else shape.widths[0], shape.attention
        )
        # A decoder that goes to 1/2 comes to full size by a pixel shuffle of four.
        self.head = nn.Conv2d(shape.widths[-1], 8 if len(shape.widths) == len(self.encoder.skips) else 2, 3, padding=1)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(_bias(self.head))

    def features(self, luma: Tensor) -> Tensor:
        """Luma (N x 1 x S x S) -> what the head reads, at 1/2, 1/4, 1/8 or 1/16 of the size."""
        skips, x = self.encoder(luma)
        if self.attends_first:
            x = self.attention(x)
        for index, up in enumerate(self.up):
            x = up(x, skips[-1 - index])
            if index == 0 and not self.attends_first:
                x = self.attention(x)
        return x  # type: ignore[no-any-return]  # torch: modules return Any

    def guess(self, luma: Tensor) -> Tensor:
        """Luma (N x 1 x S x S) -> chroma (N x 2) where the decoder ends: at S, or at 1/4, 1/8 or 1/16 of it."""
        chroma = self.head(self.features(luma))
        if self.head.out_channels == 8:
            chroma = blur(F.pixel_shuffle(chroma, 2))
        return CHROMA_LIMIT * torch.tanh(chroma / CHROMA_LIMIT)

    def forward(self, luma: Tensor) -> Tensor:
        """Guess chroma (N x 2 x S x S) from luma (N x 1 x S x S)."""
        return self.interpolate(self.guess(luma))

    def interpolate(self, chroma: Tensor) -> Tensor:
        """Bring what `guess` returns to the size of the luma: N x 2 x S x S."""
        if self.head.out_channels == 8:
            return chroma
        return enlarge(chroma, len(self.encoder.skips) + 1 - len(self.up))


def enlarge(x: Tensor, doublings: int) -> Tensor:
    """Interpolate linearly to 2^doublings times the height and width (N x C x H x W)."""
    return F.interpolate(x, scale_factor=float(2**doublings), mode="bilinear", align_corners=False)


def _bias(conv: nn.Conv2d) -> Tensor:
    assert conv.bias is not None
    return conv.bias


def recognize(state: Mapping[str, Tensor]) -> str | None:
    """Return "lite" for a state dict of `lite`, of whatever widths, else None."""
    return "lite" if "encoder.stem.conv.weight" in state and "up.0.shuffle.weight" in state else None


def read_shape(state: Mapping[str, Tensor]) -> LiteShape:
    """Read the hyper-parameters of `lite` from the shapes of its tensors.

    Raises WeightsError for a tensor that tells them and is missing.
    """
    try:
        return _read_shape(state)
    except KeyError as error:
        raise WeightsError(f"the state dict looks like lite, but lacks {error.args[0]}; it is incomplete") from error


def _read_shape(state: Mapping[str, Tensor]) -> LiteShape:
    ups = 1 + max(int(key.split(".")[1]) for key in state if key.startswith("up."))
    widths = tuple(state[f"up.{i}.conv.weight"].shape[0] for i in range(ups))
    blocks = len({key.split(".")[2] for key in state if key.startswith("encoder.blocks.")})
    channels = state[f"encoder.blocks.{blocks - 1}.project.conv.weight"].shape[0]
    known = {(sum(shape.blocks), shape.channels[-1]): name for name, shape in ENCODERS.items()}
    if (blocks, channels) not in known:
        raise KeyError(f"an encoder of {', '.join(ENCODERS)}")
    inner, attended = state["attention.query.weight"].shape[:2]
    at = FIRST_UP if attended == widths[0] else 2 * FIRST_UP
    return LiteShape(widths, inner, known[blocks, channels], at)


def build(state: Mapping[str, Tensor]) -> Lite:
    """Make the network of a state dict, in eval mode with its weights.

    Raises WeightsError that names the first keys that are missing, left over or of the wrong shape.
    """
    shape = read_shape(state)
    with torch.device("meta"):
        network = Lite(shape)
    fill(network, state, "lite")
    return network


FAMILY = Family(
    name="lite",
    title="the small network that colorrt ships",
    models=("lite",),
    recognize=recognize,
    build=build,
    bytes_per_pixel=600,
    # Its guesses are means of what may be, and so duller than photographs. More color is less true (the curve is in
    # docs/quality.md), and what people choose.
    default_saturation=1.5,
    attention_stride=FIRST_UP,
)
