"""What `--help` shows: whole sentences, groups, one style of defaults, examples that run; completion; `python -m`."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from colorrt import __version__
from colorrt.contract import Contract
from colorrt.models.catalog import KNOWN_MODELS
from colorrt.models.weights.known_files import KNOWN_FILES, describe_known

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

    Command = Callable[..., Result]

COMMANDS = (
    [], ["run"], ["data"], ["data", "cifar10"], ["data", "split"], ["data", "audit"],
    ["train"], ["export"], ["build"], ["eval"], ["verify"], ["bench"], ["bench", "latency"],
    ["bench", "factors"], ["bench", "folder"], ["journal"], ["journal", "show"], ["journal", "verify"],
    ["journal", "merge"], ["info"], ["models"], ["doctor"],
)  # fmt: skip
MAIN = "from colorrt.cli import main; main()"


def sections(text: str) -> dict[str, list[str]]:
    """The lines below each heading of a help text; those of entries are indented by two spaces, their rest by more."""
    found: dict[str, list[str]] = {"": []}
    for line in text.splitlines():
        if re.fullmatch(r"[A-Z][\w ]*:", line):
            found[line[:-1]] = []
        elif line.strip():
            found[list(found)[-1]].append(line)
    return found


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: " ".join(arguments) or "colorrt")
def test_help_is_whole_sentences(colorrt: Command, arguments: list[str]) -> None:
    result = colorrt(*arguments, "--help")
    assert result.exit_code == 0
    usage, *rest = result.stdout.split("\n\n")
    assert usage.startswith("Usage: ")
    assert "..." not in re.sub(r"[NH],\.\.\.", "", "\n\n".join(rest))
    found = sections(result.stdout)
    for name, lines in found.items():
        if name not in ("Example", "Examples"):
            for line, following in zip(lines, [*lines[1:], "  end"], strict=True):
                if name and not following.startswith("   "):
                    assert line[-1] in ".]", line


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: " ".join(arguments) or "colorrt")
def test_examples_are_commands_that_exist(colorrt: Command, arguments: list[str]) -> None:
    found = sections(colorrt(*arguments, "--help").stdout)
    examples = found.get("Examples", found.get("Example", []))
    assert examples
    for example in examples:
        program, *words = shlex.split(example)
        assert program == "colorrt"
        assert words[: len(arguments)] == arguments or arguments == ["bench"]
        # Options are read before help is shown: an unknown one would fail.
        assert colorrt(*words, "--help").exit_code == 0, example


def test_commands_stand_in_groups(colorrt: Command) -> None:
    found = sections(colorrt("--help").stdout)
    groups = {name: [line.split()[0] for line in lines if line[2] != " "] for name, lines in found.items() if name}
    del groups["Options"], groups["Examples"]
    assert groups == {
        "Colorize": ["run", "serve", "page", "journal"],
        "Make models": ["train", "export", "build", "package", "data"],
        "Measure": ["eval", "verify", "bench"],
        "Inspect": ["info", "models", "doctor"],
    }


def test_options_of_run_stand_in_groups(colorrt: Command) -> None:
    found = sections(colorrt("run", "--help").stdout)
    options = {
        name: re.findall(r"^  (?:-\w, )?(--[\w-]+)", "\n".join(lines), re.MULTILINE) for name, lines in found.items()
    }
    assert {name: names for name, names in options.items() if names} == {
        "Model and device": ["--engine", "--render-factor", "--precision", "--device", "--threads"],
        "Color": ["--saturation", "--upsample", "--hints", "--hint-reach"],
        "Results": [
            "--output",
            "--quality",
            "--lossless-luma",
            "--recolor",
            "--no-mark",
            "--sign",
            "--report",
            "--sheet",
        ],
        "Safety": ["--overwrite", "--max-pixels", "--shard"],
        "Films": [
            "--steady",
            "--guess-every",
            "--codec",
            "--crf",
            "--preset",
            "--lossless",
            "--from",
            "--to",
            "--preview",
        ],
        "Other": ["--verbose", "--quiet", "--help"],
    }


def test_choices_and_defaults_are_shown(colorrt: Command) -> None:
    text = " ".join(colorrt("run", "--help").stdout.split())
    for part in ("auto|cpu|openvino|cuda", "guided|bilinear", "[default: auto]", "[default: all cores]", "1 to 100]"):
        assert part in text
    for arguments in COMMANDS:
        assert "default: (" not in colorrt(*arguments, "--help").stdout
        assert "if not given" not in colorrt(*arguments, "--help").stdout


def test_module_runs_as_the_script_does(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "colorrt", "--version"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert answer.stdout == f"colorrt {__version__}\n"


@pytest.mark.parametrize(
    ("line", "completions"),
    [
        ("colorrt ver", {"verify"}),
        ("colorrt run --up", {"--upsample"}),
        ("colorrt run --upsample ", {"guided", "bilinear"}),
        ("colorrt bench ", {"latency", "factors", "folder", "film"}),
        ("colorrt bench --rou", {"--rounds"}),
        ("colorrt bench factors --prec", {"--precision"}),
    ],
)
def test_shell_completes(tmp_path: Path, line: str, completions: set[str]) -> None:
    words = line.split(" ")
    environment = {
        **os.environ, "_COLORRT_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1),
    }  # fmt: skip
    program = f"import sys; sys.argv[0] = 'colorrt'; {MAIN}"
    answer = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert set(answer.stdout.split()) == completions, answer.stderr


def test_completion_can_be_installed(colorrt: Command) -> None:
    assert {"--install-completion", "--show-completion"} <= set(colorrt("--help").stdout.split())


def test_doctor_prints_json(colorrt: Command) -> None:
    result = colorrt("doctor", "--json")
    assert result.exit_code == 0
    table = json.loads(result.stdout)
    assert table["colorrt"] == __version__
    assert table["cores"] >= 1
    assert set(table["uses"]) == {"run", "openvino", "cuda", "engine"}
    assert table["uses"]["run"].startswith("ONNX Runtime on the CPU")
    assert table["packages"]["Numba"][0].startswith("numba ")
    assert {"name": "CPUExecutionProvider", "problem": None} in table["providers"]
    # What the table for people says at its end.
    assert [line for line in colorrt("doctor").stdout.splitlines() if line in table["advice"]] == table["advice"]


def test_models_prints_json(colorrt: Command) -> None:
    table = json.loads(colorrt("models", "--json").stdout)
    assert [network["name"] for network in table["networks"]] == [model.name for model in KNOWN_MODELS]
    assert {network["name"]: network["size"] for network in table["networks"]}["ddcolor-tiny"] == 512
    assert [file["sha256"] for file in table["known_files"]] == [known.sha256 for known in KNOWN_FILES]
    listed = colorrt("models").stdout
    assert all(known.file in listed and known.sha256[:16] in listed for known in KNOWN_FILES)
    assert table["shipped"]["contract"]["model"] == "lite"
    assert table["shipped"]["card"].endswith("MODEL.md")


def test_info_names_a_known_file(colorrt: Command, make_onnx: Callable[..., Path], tmp_path: Path) -> None:
    known = KNOWN_FILES[0]
    contract = Contract("eccv16", None, "fp32", None, (1, None), 1.0, known.sha256, 18, "tests")
    assert describe_known(known) in colorrt("info", make_onnx(tmp_path / "a.onnx", contract=contract)).stdout
