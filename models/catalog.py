"""The networks that colorrt knows: the files that hold them, and what `colorrt models` lists. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KnownModel:
    """One network. `weights`: where its weights come from, for people.

    `home`: the authors' repository on GitHub, and `license` of its weights as far as they state one, where they are not
    ours. `render_factor`: of the size that it was made for; `steps`: sides of the square are multiples of so many
    pixels.
    """

    name: str
    title: str
    weights: str
    home: str | None = None
    license: str | None = None
    render_factor: int = 16
    steps: int = 16


@dataclass(frozen=True)
class FamilyFile:
    """A file of `colorrt.models` that holds a `FAMILY`, and the models of this family."""

    module: str
    models: tuple[KnownModel, ...]


# Weights go to the first family that recognizes them: one that adds a head to another stands before it.
FAMILY_FILES = (
    FamilyFile(
        "lite_bins",
        (KnownModel("lite-bins", "lite with a head that chooses among fixed colors", "colorrt train"),),
    ),
    FamilyFile(
        "lite",
        (KnownModel("lite", "small network for CPUs: EfficientNet-Lite encoder, UV head", "ship in the package"),),
    ),
    FamilyFile(
        "deoldify",
        (
            KnownModel(
                "deoldify-artistic",
                "DeOldify artistic: ResNet-34, deep decoder; most vivid",
                "ColorizeArtistic_gen.pth of DeOldify",
                "jantic/DeOldify",
                "MIT",
            ),
            KnownModel(
                "deoldify-wide",
                "DeOldify stable and video: ResNet-101, wide decoder; fewer mistakes",
                "ColorizeStable_gen.pth or ColorizeVideo_gen.pth of DeOldify",
                "jantic/DeOldify",
                "MIT",
            ),
        ),
    ),
    FamilyFile(
        "ipol",
        (
            KnownModel(
                "ipol",
                "the IPOL review's network: ResNet-101, wide decoder, UV head in normalized space",
                "the checkpoint of the article's code, or colorrt train ipol-video",
            ),
        ),
    ),
    FamilyFile(
        "ddcolor",
        (
            KnownModel(
                "ddcolor-tiny",
                "DDColor tiny: ConvNeXt-T, 100 color queries; squares of 32 pixels and multiples",
                "ddcolor_paper_tiny.pth of piddnad/DDColor",
                "piddnad/DDColor",
                "Apache-2.0",
                render_factor=32,
                steps=32,
            ),
            KnownModel(
                "ddcolor-large",
                "DDColor: ConvNeXt-L, 100 color queries; squares of 32 pixels and multiples",
                "ddcolor_modelscope.pth, ddcolor_artistic.pth or ddcolor_paper.pth of piddnad/DDColor",
                "piddnad/DDColor",
                "Apache-2.0",
                render_factor=32,
                steps=32,
            ),
        ),
    ),
    FamilyFile(
        "dahl",
        (
            KnownModel(
                "dahl-residual",
                "Dahl's residual encoder on VGG-16",
                "colorrt train dahl-residual",
                render_factor=14,
            ),
            KnownModel(
                "dahl-hypercolumns",
                "Dahl's hypercolumns on VGG-16; slow, for comparison",
                "colorrt train dahl-hypercolumns",
                render_factor=14,
            ),
        ),
    ),
    FamilyFile(
        "fusion",
        (
            KnownModel(
                "fusion-lite",
                "Baldassarre's fusion network, told by EfficientNet-Lite0",
                "colorrt train fusion-lite",
                render_factor=14,
            ),
            KnownModel(
                "fusion-inception", "the same, told by Inception-v3", "colorrt train fusion-inception", render_factor=14
            ),
            KnownModel(
                "fusion-convnext", "the same, told by ConvNeXt-T", "colorrt train fusion-convnext", render_factor=14
            ),
            KnownModel(
                "fusion-256", "the same, told 256 logits of a classifier", "colorrt train fusion-256", render_factor=14
            ),
            KnownModel(
                "fusion-bins",
                "the same, choosing among bins of a and of b",
                "colorrt train fusion-bins",
                render_factor=14,
            ),
        ),
    ),
    FamilyFile(
        "kth",
        (
            KnownModel(
                "kth-unet",
                "the U-Net of KTH, of its GANs too; made for 32 pixels",
                "colorrt train kth-unet-l1",
                render_factor=2,
            ),
        ),
    ),
    FamilyFile(
        "half_resnet",
        (
            KnownModel(
                "half-resnet18",
                "half of a ResNet-18 (HKUST, after Melas-Kyriazi's tutorial); small, made for 224 pixels",
                "model40.pth, model90.pth or model100.pth of fanboqia/CSIT5910-Machine-Learning",
                "fanboqia/CSIT5910-Machine-Learning",
                "none stated",
                render_factor=14,
            ),
            KnownModel(
                "half-resnet18-tutorial",
                "the same with one more convolution, as the tutorial has it",
                "checkpoints of Melas-Kyriazi's tutorial",
                render_factor=14,
            ),
        ),
    ),
    FamilyFile(
        "zhang",
        (
            KnownModel(
                "eccv16",
                "Zhang et al. 2016: a choice among 313 colors; bold",
                "colorization_release_v2-9b330a0b.pth of richzhang/colorization",
                "richzhang/colorization",
                "BSD-2-Clause",
            ),
            KnownModel(
                "eccv16-l2", "its trunk as a regression, which its paper compares with; dull", "colorrt train zhang-l2"
            ),
            KnownModel(
                "siggraph17",
                "Zhang et al. 2017: a U-Net that can take hints of color, run without them",
                "siggraph17-df00044c.pth of richzhang/colorization",
                "richzhang/colorization",
                "BSD-2-Clause",
            ),
        ),
    ),
)

KNOWN_MODELS = tuple(model for file in FAMILY_FILES for model in file.models)
