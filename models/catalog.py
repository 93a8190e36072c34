"""The networks that colorrt knows, as data: what `colorrt models` lists. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KnownModel:
    """One network. `weights`: where its weights come from, for people."""

    name: str
    title: str
    weights: str


KNOWN_MODELS = (
    KnownModel("lite", "small network for CPUs: EfficientNet-Lite encoder, UV head", "ship in the package"),
    KnownModel(
        "deoldify-artistic",
        "DeOldify artistic: ResNet-34, deep decoder; most vivid",
        "ColorizeArtistic_gen.pth of DeOldify",
    ),
    KnownModel(
        "deoldify-wide",
        "DeOldify stable and video: ResNet-101, wide decoder; fewer mistakes",
        "ColorizeStable_gen.pth or ColorizeVideo_gen.pth of DeOldify",
    ),
    KnownModel(
        "ipol",
        "the IPOL review's network: ResNet-101, wide decoder, UV head in normalized space",
        "the checkpoint of the article's code, or colorrt train ipol-video",
    ),
)
