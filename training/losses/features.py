"""Networks that say how alike two pictures are: VGG-16 from a file, or the encoder that `lite` begins with."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from colorrt.errors import UsageError, WeightsError
from colorrt.models.color import IMAGENET_MEAN, IMAGENET_STD
from colorrt.models.encoders import vgg
from colorrt.models.encoders.efficientnet import Encoder, load_published
from colorrt.models.weights.checkpoint import load_state
from colorrt.training.networks import find_encoder
from colorrt.training.recipes.recipe import LossRecipe, NetworkRecipe


class EfficientNetFeatures(nn.Module):
    """Normalized RGB (N x 3 x H x W) -> features of EfficientNet-Lite0 at 1/4, 1/8 and 1/16."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the features after the second, third and fifth stage, which have no activation behind them."""
        mean, std = (x.new_tensor(values).reshape(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
        skips, _ = self.encoder(x * std + mean)
        return skips[1:]  # type: ignore[no-any-return]  # torch: modules return Any


def make_features(recipe: LossRecipe, vgg_file: Path | None, efficientnet_file: Path | None) -> nn.Module | None:
    """Build the frozen feature network that a recipe asks for; None when it asks for none.

    `vgg_file`: torchvision's vgg16_bn weights. `efficientnet_file`: EfficientNet-Lite0's published ones.
    Raises UsageError when the file that the recipe needs is not given, WeightsError when it is of another network.
    """
    if recipe.features == "none":
        return None
    if recipe.features == "vgg" or (recipe.features == "auto" and vgg_file is not None):
        if vgg_file is None:
            raise UsageError(
                "the recipe compares features of VGG-16: give torchvision's vgg16_bn weights as --features FILE, or "
                'set features = "auto" in the recipe'
            )
        state = load_state(vgg_file)
        try:
            return vgg.build(state)
        except WeightsError as error:
            raise WeightsError(f"{vgg_file}: {error}") from error
    encoder = Encoder()
    load_published(encoder, find_encoder(NetworkRecipe("lite"), efficientnet_file))
    return EfficientNetFeatures(encoder).requires_grad_(False).eval()
