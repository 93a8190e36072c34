"""Published weights files that are recognized by their SHA-256. Imports no torch.

Only digests that were read from the file itself or from its authors' release stand here; files of other networks load
all the same, without a name.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KnownFile:
    """A published file. `sha256`: of the whole file, hexadecimal; `title`: what it is, for people; `home`: repository
    on GitHub; `license`: of the weights as far as their authors state one."""

    sha256: str
    file: str
    model: str
    title: str
    home: str
    license: str


_HALF_RESNET_HOME = "fanboqia/CSIT5910-Machine-Learning"
_NO_LICENSE = "none stated"

KNOWN_FILES = (
    # Zhang's digests begin as their authors' own file names end.
    KnownFile(
        "9b330a0bae53f4ded77b1e23defbf78beaa09c10ebc4c4999e8e4f4a160b93f9",
        "colorization_release_v2-9b330a0b.pth",
        "eccv16",
        "the published eccv16",
        "richzhang/colorization",
        "BSD-2-Clause",
    ),
    KnownFile(
        "df00044c0a4d7c3edcecf6f75437ce346a66e7a42612d9b968e1a7e17dbc6f66",
        "siggraph17-df00044c.pth",
        "siggraph17",
        "the published siggraph17",
        "richzhang/colorization",
        "BSD-2-Clause",
    ),
    *(
        KnownFile(
            sha256,
            f"model{epoch}.pth",
            "half-resnet18",
            f"HKUST's half ResNet-18 after {epoch} epochs",
            _HALF_RESNET_HOME,
            _NO_LICENSE,
        )
        for epoch, sha256 in (
            (40, "852cf40c21637773854a80ec7314d3ed1bc7dc9f5f98b90dc4d9604b0f8e9790"),
            (90, "cfa6f1446ee6678dc14b86b07e7a05672a0f4f6e43bb9a4521b4980ccfff4993"),
            (100, "e9351fd19297de4a39df075ee3f5011cad9a18a79e09fa800b2236dc0ee5d6ed"),
        )
    ),
)


def find_known(sha256: str) -> KnownFile | None:
    """Return the published file of this digest, or None."""
    return next((known for known in KNOWN_FILES if known.sha256 == sha256), None)


def describe_known(known: KnownFile) -> str:
    """Say in a clause what a known file is: "the published eccv16 (richzhang/colorization, BSD-2-Clause)"."""
    terms = f"license: {known.license}" if known.license == _NO_LICENSE else known.license
    return f"{known.title} ({known.home}, {terms})"
