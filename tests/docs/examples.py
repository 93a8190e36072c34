"""The examples of the documents: blocks of Python and of shell commands, and commands and options named in prose."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\[[^]]*\]\(([^)\s]+)\)")
LANGUAGES = {"sh", "python", "text", "toml"}
PROGRAMS = ("colorrt ", "python -m studies ", "make ")


@dataclass(frozen=True)
class Example:
    """A block of code. `place`: document and line, for messages."""

    language: str
    code: str
    place: str


@dataclass(frozen=True)
class Command:
    """A shell command, split into words."""

    words: tuple[str, ...]
    place: str

    def __str__(self) -> str:
        return f"{self.place}: {shlex.join(self.words)}"


def blocks(document: Path) -> list[Example]:
    """Return the fenced blocks of a Markdown document in order. Raises ValueError for a block of unknown language."""
    text = document.read_text(encoding="utf-8")
    found = []
    for match in FENCE.finditer(text):
        place = f"{document.name}:{text.count(chr(10), 0, match.start()) + 2}"
        if match[1] not in LANGUAGES:
            raise ValueError(f"{place}: name the block's language: {', '.join(sorted(LANGUAGES))}")
        found.append(Example(match[1], match[2], place))
    return found


def shell_commands(document: Path) -> list[Command]:
    """Return every command of the document's shell blocks, without comments; `&&` parts two commands."""
    return [
        Command(tuple(words), example.place)
        for example in blocks(document)
        if example.language == "sh"
        for line in example.code.replace("\\\n", " ").splitlines()
        for words in _split(line)
    ]


def prose_commands(document: Path) -> list[Command]:
    """Return the commands that prose names between backticks."""
    return [Command(tuple(shlex.split(code)), document.name) for code in _inline(document) if code.startswith(PROGRAMS)]


def prose_options(document: Path) -> set[str]:
    """Return the long options that prose names between backticks without their command."""
    words = (code.split() for code in _inline(document) if code.startswith("--"))
    return {word for code in words for word in code if word.startswith("--")}


def relative_links(document: Path) -> set[str]:
    """Return the addresses of links and pictures that lie in the repository, without `#section`."""
    addresses = {link.partition("#")[0] for link in LINK.findall(document.read_text(encoding="utf-8"))}
    return {address for address in addresses if address and "://" not in address}


def _inline(document: Path) -> list[str]:
    prose = FENCE.sub("", document.read_text(encoding="utf-8"))
    return [" ".join(code.split()) for code in INLINE.findall(prose)]


def _split(line: str) -> Iterator[list[str]]:
    words: list[str] = []
    for word in shlex.split(line, comments=True):
        if word == "&&":
            yield words
            words = []
        else:
            words.append(word)
    if words:
        yield words
