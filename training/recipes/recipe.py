"""Recipes: everything that decides a training, but for the photographs. `recipe_toml` reads them from files."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

PAPER_NETWORKS = (
    "kth-unet", "dahl-residual", "dahl-hypercolumns", "fusion-lite", "fusion-inception", "fusion-convnext",
    "fusion-256", "fusion-bins", "half-resnet18", "half-resnet18-tutorial", "eccv16", "eccv16-l2",
)  # fmt: skip
"""Networks that are trained in units of their own, as their papers say."""
NETWORKS = ("lite", "lite-bins", "deoldify-artistic", "deoldify-wide", "ipol", *PAPER_NETWORKS)
KINDS = ("supervised", "critic", "gan", "judged")
_INHERIT = -1.0


@dataclass(frozen=True)
class NetworkRecipe:
    """What is trained."""

    name: str
    """One of `NETWORKS`."""
    encoder: str = "published"
    """"published": begins with ImageNet weights; "random"."""
    norms: str = "plain"
    """"spectral": spectral norm on the decoder's convolutions while they are trained; "plain"."""
    statistics: str = "moving"
    """Of the encoder's batch norms: "moving" with the batches, or "frozen" as ImageNet left them."""
    attention: str = "equation5"
    """Of ipol: "equation5" or "published", the axis that the weights sum to one over."""
    limits: str = "equation6"
    """Of ipol: "equation6" or "published", the range of the guess."""
    feature_dropout: float = 0.0
    """Chance that a channel going into the first two up blocks is silenced; half of it for those of the skips."""
    body: str = "lite0"
    """Of lite: the EfficientNet-Lite encoder, "lite0", "lite1" or "lite2"."""
    widths: tuple[int, ...] = ()
    """Of lite: channels of the up blocks, one to four, the first at 1/16 of the size; empty: four, as shipped first."""
    inner: int = 40
    """Of lite: inner width of attention."""
    attention_at: int = 16
    """Of lite: attention stands at 1/16 or at 1/32 of the size."""
    lightness: str = "color"
    """Of networks of the papers, which learn from L of the original, or from Dahl's mean of red, green and blue
    ("color", as the papers do), or from its gray picture ("gray", which is what they are given later)."""
    batch_norm: str = "affine"
    """Of kth-unet: "affine", a scale and a shift, as its code computes, or "batch", as its report says."""
    initial: str = "uniform"
    """Of kth-unet: Glorot's initialization, "uniform" as in its code, or "normal" as in its report."""
    dropout: float = 0.0
    """Of kth-unet: chance that a value of the first two layers on the way up is silenced."""
    encoder_dropout: float = 0.0
    """Of kth-unet: the same of the last two on the way down, which its GANs have."""
    vgg: str = "caffe"
    """Of Dahl's networks: what the weights given as encoder know, "caffe" or "torchvision" pictures."""
    narrow: bool = True
    """Of dahl-hypercolumns: the layer of three channels stands before the last, as in the code and not in the text."""
    extractor: str = "lite"
    """Of fusion-256 and fusion-bins: the classifier that is asked, "lite", "inception" or "convnext"."""
    features: int = 256
    """Of fusion-256: how many of the classifier's logits are told, drawn at random once."""
    bins: int = 50
    """Of fusion-bins: bins of each of a and b."""
    width: int = 0
    """Channels of the first up block; 0: those of the published network. For trials and tests."""
    stem: int = 0
    """Channels of the stem and of the first stage of a ResNet; 0: as published. For trials and tests."""
    depths: tuple[int, ...] = ()
    """Blocks of the four stages of a ResNet; empty: as published."""


@dataclass(frozen=True)
class LossRecipe:
    """What the supervised training minimizes; see `colorrt.training.losses.chroma`."""

    pixel: str = "l1"
    """"l1", "l2" or "huber"."""
    pixel_weight: float = 1.0
    knee: float = 0.05
    """Where huber turns from quadratic to linear."""
    blur: str = "none"
    """Of Dahl's networks: compares two blurred pictures too, by kernels that are "normalized", or as "published", which
    make them six and nine times as light."""
    rarity: float = 0.0
    """A pixel of chroma c counts 1 + rarity x |c|."""
    hue_rarity: float = 0.0
    """With `rarity`: how much more of it rare hues get, 0 (none) to 1 (as many times as they are rarer); see
    `colorrt.training.losses.hues`."""
    coarse: float = 0.0
    coarse_pixel: str = "l1"
    coarse_side: int = 8
    """Of the regions whose averages are compared, in pixels of the square."""
    cast: float = 0.0
    """Of the mean chroma that is guessed where the truth is neutral: against one tint over everything."""
    compared_at: str = "full"
    """Of lite: the size at which chroma is compared, "full" or that where the "decoder" ends."""
    features: str = "none"
    """"none"; "vgg": VGG-16 with batch norm from a file; "efficientnet"; "auto": vgg where its file is given."""
    feature_weights: tuple[float, ...] = (20.0, 70.0, 10.0)
    """From the shallowest of the three layers to the deepest."""
    stability: float = 0.0
    stability_noise: float = 0.0
    """Highest standard deviation of the noise, in the units of luma."""
    view_share: float = 0.0
    """Of lite, compared at the decoder: share of each batch's work spent on a second look at its squares, in another
    cut and size, mirrored, aged anew; they are learned from as well. See `colorrt.training.squares.views`."""
    view_sizes: tuple[int, ...] = (128,)
    """Sizes that second looks are drawn from, in pixels, multiples of 16."""
    consistency: float = 0.0
    """With `view_share`: weight of the change of chroma between both looks, against the spread of its colors."""
    bins_weight: float = 0.0
    """Of the cross-entropy over colors; "lite" learns it beside its own head, "lite-bins" by its head."""
    knowledge: float = 0.0
    """Of lite: of the distance between what its encoder finds in gray and ImageNet's in color; see
    `colorrt.training.losses.knowledge`."""
    neighbors: int = 10
    """Of eccv16: colors that a pixel's target is spread over, 10 in its code, 5 in its paper."""
    rebalance: float = 0.5
    """1 weighs all colors alike; near 0, each by the inverse of how often it occurs."""


@dataclass(frozen=True)
class OptimizerRecipe:
    """The optimizer, AdamW as a rule, and how its rate goes; see `colorrt.training.schedule`."""

    decoder_rate: float
    encoder_rate: float
    """0 freezes the encoder."""
    early_rate: float = _INHERIT
    """Of the encoder's shallower half; that of the encoder when not given."""
    weight_decay: float = 0.01
    second_beta: float = 0.999
    schedule: str = "stage"
    """"stage": a cycle and a fresh AdamW for each stage; "whole": one for all of them."""
    warmup: float = 0.3
    start: float = 0.04
    end: float = 0.0
    rise: str = "cosine"
    momentum: tuple[float, ...] = (0.9, 0.9)
    """The high and the low end."""
    clip: float = 0.0
    """Largest norm of the gradient; 0: any."""
    average: float = 0.0
    """Decay of the moving average of the weights, a step; 0: none is kept."""
    method: str = "adamw"
    """"adamw"; "adam", whose weight decay is a part of the gradient; "sgd", without momentum."""
    course: str = "cycle"
    """How the rate goes: "cycle"; "exponential": times `decay` every `decay_steps` steps, a little each step;
    "staircase": the same at once at the end of them. The latter two know neither warm-up nor cycles of momentum."""
    decay: float = 1.0
    decay_steps: int = 1
    least: float = 0.0
    """The share of the highest rate that "exponential" and "staircase" do not go below."""


@dataclass(frozen=True)
class CriticRecipe:
    """The critic of NoGAN stages."""

    width: int = 256
    blocks: int = 3
    dropout: float = 0.15
    weight_decay: float = 1e-3
    betas: tuple[float, ...] = (0.9, 0.99)
    """Of AdamW while the critic is pretrained."""
    gan_betas: tuple[float, ...] = (0.0, 0.9)
    """Of both AdamWs in the GAN."""

    @property
    def least_size(self) -> int:
        """The least side of a square that leaves a place to its last convolution, in pixels."""
        return int(2 ** (self.blocks + 3))


@dataclass(frozen=True)
class JudgesRecipe:
    """Who judges the networks of papers in stages of kind "judged"; see `colorrt.training.papers.judges`."""

    width: int = 64
    """Channels of their first convolution."""
    norm: str = "none"
    """"none", as in KTH's code; "batch", as its report says."""
    real_label: float = 1.0
    """What the discriminator should say of originals."""
    generator_steps: int = 2
    """Steps of the network for each step of the judges, on the same batch."""
    classifier_weight: float = 0.0
    """Of the classifier's word in the network's loss; 0: there is no classifier."""
    classes: int = 10
    """Of the pictures, each in a folder that is named for its class."""


@dataclass(frozen=True)
class Stage:
    """One stretch of a training at one size. Exactly one of `images`, `epochs` and `steps` says how long."""

    size: int
    batch: int
    sources: tuple[str, ...]
    """Files below the data folder: shards or folders, as glob patterns; where none is there, everything below it."""
    kind: str = "supervised"
    """"supervised"; "critic": the critic is pretrained; "gan": both in turn; "judged": the GANs of papers."""
    images: int = 0
    epochs: float = 0.0
    steps: int = 0
    accumulate: int = 1
    """Batches a step."""
    smallest: float = 1.0
    """The least part of each side of a photograph that a square shows."""
    aging: str = "old"
    """What happens to luma: "old" (see `colorrt.training.squares.augment`), "specks" (DeOldify's noise), "none"."""
    source_weights: tuple[float, ...] = ()
    """How often photographs of each pattern are drawn, relative to each other; empty: each once an epoch."""
    favored: tuple[str, ...] = ()
    """Patterns of file names, or of paths within the sources, whose photographs are drawn more often."""
    favor: tuple[float, ...] = ()
    """How many times as often, one for each of `favored`; where several match, the first counts."""
    decoder_rate: float = _INHERIT
    encoder_rate: float = _INHERIT
    early_rate: float = _INHERIT
    warmup: float = _INHERIT
    critic_rate: float = 0.0
    critic_weight: float = 1.0
    """In a GAN: of the critic's word in the generator's loss, or the discriminator's."""
    pixel_weight: float = 1.0
    """In a GAN: of the supervised loss."""
    threshold: float = 0.65
    """In a GAN: the generator's turn comes when the critic's loss is below it."""
    mirror: str = "random"
    """"random": left and right are exchanged by chance; "never"."""
    save_every: int = 100
    """In a GAN: steps between the weights that are kept to choose from."""

    def count_steps(self, photographs: int) -> int:
        """Return how many steps the stage takes where it has so many photographs."""
        if self.steps:
            return self.steps
        images = self.images or self.epochs * photographs
        return max(1, math.ceil(images / (self.batch * self.accumulate)))


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training, but for the photographs."""

    seed: int
    short_side: int
    network: NetworkRecipe
    optimizer: OptimizerRecipe
    stages: tuple[Stage, ...]
    loss: LossRecipe = field(default_factory=LossRecipe)
    critic: CriticRecipe = field(default_factory=CriticRecipe)
    judges: JudgesRecipe = field(default_factory=JudgesRecipe)
    holdout: float = 0.0
    """Share of the photographs kept for validation, chosen by their names."""
    validation: tuple[str, ...] = ()
    """Files below the data folder whose photographs are kept for validation in place of that share, as patterns."""
    validation_photos: int = 200
    """The most of them that are looked at each time."""
    gray_limit: float = 0.015
    """Photographs whose mean of |U| + |V| is below it are left out as gray, in the units of luma."""
    cache_gigabytes: float = 2.0
    """Decoded photographs kept in memory."""
    blend: float = 0.0
    """Share of the weights that the training began with (`--start`) in those of its end."""


def shrink(recipe: Recipe, steps: int | None, scale: float) -> Recipe:
    """Return the recipe for a trial: `steps` a stage (None: as it says), sizes and batches times `scale`."""
    stages = []
    for stage in recipe.stages:
        if steps is not None:
            stage = replace(stage, images=0, epochs=0.0, steps=steps)  # noqa: PLW2901 (the stage of the trial takes the place of the recipe's)
        least = max(32, recipe.critic.least_size) if stage.kind in ("critic", "gan") else 32
        size = max(least, 16 * round(stage.size * scale / 16))
        stages.append(replace(stage, size=size, batch=max(2, round(stage.batch * scale))))
    return replace(recipe, stages=tuple(stages)) if (steps, scale) != (None, 1.0) else recipe
