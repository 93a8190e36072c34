"""What pyproject.toml cannot say: the page that a package index shows is README.md without what would break there."""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import setup

PICTURE = re.compile(r"^!\[[^]]*\]\((?!https?://)[^)]*\)\n+", re.MULTILINE)
LINK = re.compile(r"\[([^]]+)\]\((?!https?://)[^)]*\)")


def make_index_page(readme: str) -> str:
    """Return Markdown for a package index: no picture and no link whose address is relative, but the link's text."""
    return LINK.sub(r"\1", PICTURE.sub("", readme))


setup(
    long_description=make_index_page(Path(__file__).with_name("README.md").read_text(encoding="utf-8")),
    long_description_content_type="text/markdown",
)
