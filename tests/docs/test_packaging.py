"""The package as users get it: built from the source archive, installed afresh, used in the checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from examples import blocks, shell_commands
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

pytest.importorskip("setuptools", minversion="77", reason="the package is built with setuptools 77 or later")
tomllib = pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")

ROOT = Path(__file__).resolve().parents[2]
MADE = (
    "build",
    "dist",
    "out",
    "runs",
    ".git",
    ".numba*",
    ".venv*",
    "__pycache__",
    "*.egg-info",
    ".*_cache",
    ".hypothesis",
)
MADE_FILES = ("*.py[cod]", "*.nbi", "*.nbc", "*.pth", "*.plan", ".coverage")
BESIDE = {"docs", "samples", "studies", "tests"}
"""Folders at the top that are no rooms of the package."""
LINK = re.compile(r"\]\((?!https?://)[^)]*\)")
BROUGHT = re.compile(r".*\.pth|artistic.*")
"""Files of README's commands that its reader has to bring."""
BIN = "Scripts" if os.name == "nt" else "bin"


def folders_with_init(top: Path) -> set[str]:
    return {path.parent.relative_to(top).as_posix() for path in top.rglob("__init__.py")}


def package_of(folder: str) -> str:
    """Return the package whose files lie in a folder of the checkout: export/engine is colorrt.export.engine."""
    first, *others = folder.split("/")
    return ".".join(["colorrt", *([] if first == "interface" else [first]), *others])


def run(words: Sequence[object], folder: Path, **environment: str) -> str:
    answer = subprocess.run(
        [str(word) for word in words],
        cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, f"{words}\n{answer.stdout}{answer.stderr}"
    return answer.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this checkout as git would clone it: builds leave nothing behind in the real one."""
    folder = tmp_path_factory.mktemp("packaging") / "checkout"
    return Path(shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*MADE, *MADE_FILES)))


@pytest.fixture(scope="module")
def settings(checkout: Path) -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "setuptools"
    ]
    return table


@pytest.fixture(scope="module")
def sdist(checkout: Path) -> Path:
    script = "import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])"
    run([sys.executable, "-c", script, checkout.parent], checkout)
    (archive,) = checkout.parent.glob("colorrt-*.tar.gz")
    return archive


@pytest.fixture(scope="module")
def wheel(sdist: Path) -> Path:
    """Built from the source archive alone, as a package index would have it."""
    folder = sdist.parent / "unpacked"
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (source,) = folder.iterdir()
    script = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
    run([sys.executable, "-c", script, sdist.parent], source)
    (built,) = sdist.parent.glob("colorrt-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """A fresh environment with the wheel in it. Its dependencies come from this one: nothing is downloaded."""
    venv = wheel.parent / "venv"
    run([sys.executable, "-m", "venv", "--without-pip", venv], wheel.parent)
    python = venv / BIN / "python"
    packages = Path(run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], venv).strip())
    shared = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (packages / "shared.pth").write_text("\n".join(shared) + "\n", encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--python", python]
    run([*pip, "install", "--quiet", "--no-deps", "--no-index", "--ignore-installed", wheel], venv)
    return venv


@pytest.fixture(scope="module")
def reader(checkout: Path) -> Path:
    """A checkout with the pictures in it that README speaks of."""
    ignored = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
    folder = Path(shutil.copytree(checkout, checkout.parent / "reader", ignore=ignored))
    (folder / "scans").mkdir()
    with Image.open(folder / "samples" / "nipomo-1936.jpg") as picture:
        for path in ("old.jpg", "scans/farm.jpg"):
            picture.resize((240, 320)).save(folder / path)
    return folder


def test_package_list_names_every_room(checkout: Path, settings: dict[str, Any]) -> None:
    rooms = {package_of(folder) for folder in folders_with_init(checkout) if folder.split("/")[0] not in BESIDE}
    assert set(settings["packages"]) == rooms
    tops = {folder.split("/")[0] for folder in folders_with_init(checkout)} - BESIDE
    assert settings["package-dir"] == {package_of(top): top for top in sorted(tops)}


def test_no_folder_at_the_top_shadows_the_package(checkout: Path) -> None:
    assert not (checkout / "colorrt").exists()


def test_source_archive_holds_the_whole_checkout(checkout: Path, sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    cloned = {path.relative_to(checkout).as_posix() for path in checkout.rglob("*") if path.is_file()}
    cloned = {name for name in cloned if ".egg-info/" not in name and "__pycache__" not in name}
    assert {"Makefile", "CHANGELOG.md", "tests/conftest.py", "samples/CREDITS.md", "studies/__main__.py"} <= cloned
    assert not cloned - held


def test_wheel_holds_every_module_of_the_rooms_and_nothing_else(checkout: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    modules = {name for name in names if name.endswith(".py")}
    expected = {
        package_of(path.parent.relative_to(checkout).as_posix()).replace(".", "/") + "/" + path.name
        for path in checkout.rglob("*.py")
        if path.parent != checkout
        and path.relative_to(checkout).parts[0] not in BESIDE | {"build"}
        and (path.parent / "__init__.py").exists()
    }
    assert modules == expected
    assert all(name.startswith("colorrt/") for name in names)
    data = {"colorrt/py.typed", "colorrt/runtime/weights/lite.onnx", "colorrt/training/recipes/lite.toml"}
    assert data <= names
    assert any(name.startswith("colorrt/photos/pictures/") for name in names)


def test_page_for_a_package_index_has_no_address_that_breaks_there(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        head, _, page = archive.read(name).decode("utf-8").partition("\n\n")
    assert "Description-Content-Type: text/markdown" in head
    assert page.startswith("# colorrt\n")
    assert LINK.findall(page) == []
    assert "docs/design.md" in page
    assert LINK.search((ROOT / "README.md").read_text(encoding="utf-8"))


def test_installed_package_is_found_from_the_checkout(installed: Path, reader: Path) -> None:
    python = installed / BIN / "python"
    script = "from colorrt import Colorizer; print(Colorizer.__module__, __import__('colorrt').__file__)"
    module, file = run([python, "-c", script], reader).split()
    assert module == "colorrt.runtime.colorizer"
    assert Path(file).is_relative_to(installed)


def test_readme_works_as_installed_from_the_checkout(installed: Path, reader: Path) -> None:
    python, colorrt = installed / BIN / "python", installed / BIN / "colorrt"
    examples = [example for example in blocks(reader / "README.md") if example.language == "python"]
    assert examples
    for example in examples:
        run([python, "-c", example.code], reader)
    commands = [one.words for one in shell_commands(reader / "README.md") if one.words[0] == "colorrt"]
    asked: dict[str, str] = {}
    for _, verb, *rest in commands:
        if verb in ("run", "info") and not any(BROUGHT.fullmatch(word) for word in rest):
            run([colorrt, verb, *rest], reader)
            continue
        if verb not in asked:
            asked[verb] = run([colorrt, verb, "--help"], reader, COLUMNS="200")
        missing = [word for word in rest if re.match("--?[a-z]", word) and word not in asked[verb]]
        assert not missing, f"colorrt {verb} has no {missing}"
    assert (reader / "old-color.jpg").is_file()
    assert (reader / "out" / "farm.jpg").is_file()
