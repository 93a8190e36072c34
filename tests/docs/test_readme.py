"""What the documents show is true: Python examples run, short commands run, all others parse; links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer.main
from examples import Command, blocks, prose_commands, prose_options, relative_links, shell_commands
from PIL import Image

from colorrt.cli import load_commands

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / room for room in ("runtime/weights/MODEL.md", "training/NOTES.md")),
    ]
)
LARGEST_README = 6 * 1024

SHORT = {"doctor", "eval", "export", "info", "models", "run", "verify"}
"""Commands that take seconds on the samples: they run, unless they name what a reader has to bring."""
BROUGHT = re.compile(r".*\.(pth|plan|mp4|mkv)|(artistic|ddcolor|eccv16|mine|runs/|runtime/).*|[A-Z_]{3,}(\.\w+)?")
NEEDED = {"export": ("torch", "onnx"), "eval": ("skimage", "matplotlib"), "verify": ("skimage",)}
"""Packages of extras that a short command needs; without them it is parsed only."""
NEEDED_BY_PYTHON = ("torch",)
FOREIGN_OPTIONS = {"--config-settings", "--light", "--system-site-packages"}
FIRST_WORDS = {"colorrt", "cp", "make", "pip", "pre-commit", "python", ".venv/bin/python"}


def named(document: Path) -> str:
    return document.relative_to(ROOT).as_posix()


@cache
def is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ImportError:
        return False


def is_short(command: Command) -> bool:
    if command.words[0] != "colorrt" or command.words[1] not in SHORT:
        return False
    if any(BROUGHT.fullmatch(word) for word in command.words):
        return False
    if "openvino" in command.words and not is_there("openvino"):
        return False
    # Other commands take what an export before them wrote.
    exports = all(map(is_there, NEEDED["export"])) or not any(word.endswith(".onnx") for word in command.words)
    return exports and all(map(is_there, NEEDED.get(command.words[1], ())))


def call(words: tuple[str, ...] | list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, *words]
    # In a pipe, help is wrapped to this width.
    environment = {**os.environ, "COLUMNS": "200", "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "2"}
    return subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@cache
def command_line() -> Any:
    return typer.main.get_command(load_commands())


def find_verb(words: tuple[str, ...]) -> tuple[str, Any, list[str]]:
    """Walk from `colorrt` to the command that the words name. Returns its name, it, and the words after it."""
    name, command, rest = "colorrt", command_line(), list(words[1:])
    while rest and rest[0] in getattr(command, "commands", {}):
        name = rest.pop(0)
        command = command.commands[name]
    # A group runs its first command when none is named.
    if rest and rest[0].startswith("-") and rest[0] != "--help" and name == "bench":
        name, command = next(iter(command.commands.items()))
    return name, command, rest


def options_of(command: Any) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts} | {"--help", "-h"}


def every_option(command: Any) -> set[str]:
    return options_of(command).union(*map(every_option, getattr(command, "commands", {}).values()))


@cache
def study_help(study: str) -> str:
    answer = call(["-m", "studies", study, "--help"], ROOT)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


@pytest.fixture
def reader(tmp_path: Path) -> Path:
    """The folder of somebody who reads the documents: a picture, some scans and some photographs in color."""
    for file in ("scans/street.jpg", "scans/bank.jpg", "old.jpg"):
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        with Image.open(ROOT / "samples" / "buffalo-bank-1908.jpg") as picture:
            picture.resize((320, 256)).save(path)
    (tmp_path / "color-photos").mkdir()
    with Image.open(ROOT / "docs" / "upsampling.png") as picture:
        for name in ("coffee", "astronaut"):
            picture.convert("RGB").resize((320, 256)).save(tmp_path / "color-photos" / f"{name}.jpg")
    return tmp_path


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_python_examples_run(document: Path, reader: Path) -> None:
    for example in blocks(document):
        absent = [name for name in NEEDED_BY_PYTHON if name in example.code and not is_there(name)]
        if example.language == "python" and not absent:
            answer = call(["-c", example.code], reader)
            assert answer.returncode == 0, f"{example.place}: {answer.stderr}"


def test_readme_has_an_example_in_python() -> None:
    assert any("from colorrt import" in example.code for example in blocks(README) if example.language == "python")


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_short_commands_run_in_order(document: Path, reader: Path) -> None:
    for command in filter(is_short, shell_commands(document)):
        answer = call(["-c", "from colorrt.cli import main; main()", *command.words[1:]], reader)
        assert answer.returncode == 0, f"{command}\n{answer.stdout}{answer.stderr}"


def test_documents_have_commands_that_run() -> None:
    verbs = {command.words[1] for document in DOCUMENTS for command in shell_commands(document) if is_short(command)}
    absent = {verb for verb, packages in NEEDED.items() if not all(map(is_there, packages))}
    if "export" in absent:
        # They are shown on what an export wrote.
        absent |= {"info", "verify"}
    assert verbs >= {"run", "info", "doctor", "export", "eval", "verify"} - absent
    assert any(is_short(command) for command in shell_commands(README))


def test_commands_of_the_documents_leave_what_they_say(reader: Path) -> None:
    for command in (one for one in shell_commands(README) if is_short(one) and one.words[1] == "run"):
        call(["-c", "from colorrt.cli import main; main()", *command.words[1:]], reader)
    assert {path.name for path in (reader / "out").glob("[!.]*")} == {"bank.jpg", "street.jpg"}
    assert (reader / "old-color.jpg").is_file()


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_command_of_the_blocks_is_one_that_can_be_typed(document: Path) -> None:
    for command in shell_commands(document):
        assert command.words[0] in FIRST_WORDS, f"{command}: no program that the documents use"
        check_command(command, whole=True)


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_commands_and_options_in_prose_exist(document: Path) -> None:
    for command in prose_commands(document):
        check_command(command, whole=False)
    unknown = prose_options(document) - every_option(command_line()) - FOREIGN_OPTIONS
    assert not {option for option in unknown if not any(option in study_help(study) for study in studies())}


@cache
def studies() -> list[str]:
    chosen = re.search(r"\{([\w,-]+)\}", call(["-m", "studies", "--help"], ROOT).stdout)
    assert chosen is not None
    return chosen[1].split(",")


def check_command(command: Command, *, whole: bool) -> None:
    """Hold a command to the program that it calls; `whole`: with all of its words, not only those that prose names."""
    words = command.words
    if words[0] == "colorrt":
        name, verb, rest = find_verb(words)
        assert name != "colorrt" or rest in (["--help"], ["--version"]), f"{command}: there is no such command"
        if whole and name != "colorrt":
            # Parses and converts every word, as typing it would; runs nothing.
            verb.make_context(name, list(rest))
        given = {word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)}
        assert given <= options_of(verb), f"{command}: no option {given - options_of(verb)}"
    elif words[:3] == ("python", "-m", "studies"):
        for option in (word for word in words[4:] if word.startswith("--")):
            assert re.search(rf"{option}\b", study_help(words[3])), f"{command}: no option {option}"
        assert words[3] in studies(), f"{command}: there is no such study"
    elif words[0] == "make":
        targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
        assert set(words[1:]) <= targets, f"{command}: no target {set(words[1:]) - targets}"
    elif words[:2] == ("pip", "install"):
        settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        known = set(re.findall(r"^(\w+) = \[", settings.partition("[project.optional-dependencies]")[2], re.MULTILINE))
        for extras in re.findall(r"\[([\w,]+)\]", " ".join(words)):
            assert set(extras.split(",")) <= known, f"{command}: no extra {extras}"
    elif words[0] == ".venv/bin/python":
        files = [word for word in words if word.startswith("tests/")]
        assert all((ROOT / file).exists() for file in files), f"{command}: no such tests"


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_links_lead_to_files(document: Path) -> None:
    broken = {link for link in relative_links(document) if not (document.parent / link).exists()}
    assert not broken


def test_readme_is_short() -> None:
    assert len(README.read_bytes()) <= LARGEST_README
