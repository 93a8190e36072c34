"""What the user named becomes jobs: which pictures, where to, and what cannot be."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from colorrt.errors import UsageError
from colorrt.runtime.jobs import Names, plan_jobs

if TYPE_CHECKING:
    from colorrt.runtime.jobs import Job


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the working folder too."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def make(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"")


def pairs(jobs: list[Job]) -> dict[str, str]:
    """Source to target of jobs without a problem; fails where there is one."""
    assert [job.problem for job in jobs] == [None] * len(jobs)
    return {str(job.source): str(job.target) for job in jobs}


def problem(jobs: list[Job], source: str) -> str:
    (found,) = [job.problem for job in jobs if str(job.source) == source]
    assert found is not None
    return found


@pytest.mark.usefixtures("here")
def test_file_goes_beside_itself_or_into_the_folder_named() -> None:
    make("a/old.jpg")
    assert pairs(plan_jobs(["a/old.jpg"], None)) == {"a/old.jpg": "a/old-color.jpg"}
    assert pairs(plan_jobs(["a/old.jpg"], Path("out"))) == {"a/old.jpg": "out/old.jpg"}


@pytest.mark.usefixtures("here")
def test_output_with_a_pictures_suffix_names_the_result_of_a_single_picture() -> None:
    make("old.tif", "scan")
    assert pairs(plan_jobs(["old.tif"], Path("out/new.PNG"))) == {"old.tif": "out/new.PNG"}
    assert pairs(plan_jobs(["scan"], Path("new.png"))) == {"scan": "new.png"}


@pytest.mark.usefixtures("here")
def test_existing_folder_named_like_a_picture_is_a_folder() -> None:
    make("old.jpg", "results.png/keep.txt")
    assert pairs(plan_jobs(["old.jpg"], Path("results.png"))) == {"old.jpg": "results.png/old.jpg"}


@pytest.mark.parametrize("sources", [["a.jpg", "b.jpg"], ["photos"], ["*.jpg"]])
@pytest.mark.parametrize("output", ["new.png", "notes.txt"])
@pytest.mark.usefixtures("here")
def test_output_that_names_a_file_needs_a_single_picture(sources: list[str], output: str) -> None:
    make("a.jpg", "b.jpg", "photos/c.jpg", "notes.txt")
    with pytest.raises(UsageError, match=f"{output}: this is a file name, but the results need a folder"):
        plan_jobs(sources, Path(output))


@pytest.mark.usefixtures("here")
def test_output_that_is_some_other_file_is_refused_for_a_single_picture_too() -> None:
    make("a.jpg", "notes.txt")
    with pytest.raises(UsageError, match=r"notes\.txt: this is a file name"):
        plan_jobs(["a.jpg"], Path("notes.txt"))


@pytest.mark.usefixtures("here")
def test_folders_are_searched_recursively_and_mirrored() -> None:
    make("in/b.JPG", "in/sub/deep/a.png", "in/notes.txt", "in/.hidden.jpg", "in/sub/c.webp.txt", "in/sub/d.tiff")
    expected = {"in/b.JPG": "b.JPG", "in/sub/d.tiff": "sub/d.tiff", "in/sub/deep/a.png": "sub/deep/a.png"}
    assert pairs(plan_jobs(["in"], Path("out"))) == {source: f"out/{name}" for source, name in expected.items()}
    beside = {source: f"in-color/{name}" for source, name in expected.items()}
    assert pairs(plan_jobs(["in/"], None)) == beside


def test_working_folder_gets_its_results_beside_it(here: Path) -> None:
    make("a.jpg", "sub/b.jpg")
    beside = f"{here}-color"
    assert pairs(plan_jobs(["."], None)) == {"a.jpg": f"{beside}/a.jpg", "sub/b.jpg": f"{beside}/sub/b.jpg"}
    os.chdir("sub")
    assert set(pairs(plan_jobs([".."], None)).values()) == {f"{beside}/a.jpg", f"{beside}/sub/b.jpg"}


@pytest.mark.usefixtures("here")
def test_folder_through_a_link_gets_its_results_beside_the_link() -> None:
    make("archive/1936/a.jpg")
    Path("photos").symlink_to("archive/1936")
    assert pairs(plan_jobs(["photos"], None)) == {"photos/a.jpg": "photos-color/a.jpg"}


@pytest.mark.usefixtures("here")
def test_output_folder_inside_the_searched_one_is_not_searched() -> None:
    make("in/a.jpg", "in/out/a.jpg", "in/output/b.jpg")
    assert pairs(plan_jobs(["in"], Path("in/out"))) == {
        "in/a.jpg": "in/out/a.jpg",
        "in/output/b.jpg": "in/out/output/b.jpg",
    }


@pytest.mark.usefixtures("here")
def test_searched_folder_as_output_is_a_problem_of_every_picture() -> None:
    make("in/a.jpg", "in/sub/b.jpg")
    jobs = plan_jobs(["in"], Path("in"))
    assert [job.problem for job in jobs] == ["its output would overwrite it; name another folder with -o"] * 2


@pytest.mark.usefixtures("here")
def test_globs_name_pictures_in_order() -> None:
    make("b.jpg", "a.jpg", "c.txt", "d.jpg/e.jpg", "sub/deep/f.jpg")
    assert pairs(plan_jobs(["*"], Path("out"))) == {"a.jpg": "out/a.jpg", "b.jpg": "out/b.jpg"}
    found = pairs(plan_jobs(["sub/**/*.jpg"], Path("out")))
    assert found == {"sub/deep/f.jpg": "out/f.jpg"}


def test_absolute_globs_work(here: Path) -> None:
    make("a.jpg")
    assert pairs(plan_jobs([f"{here}/*.jpg"], Path("out"))) == {f"{here}/a.jpg": "out/a.jpg"}


@pytest.mark.usefixtures("here")
def test_file_with_brackets_in_its_name_is_no_glob() -> None:
    make("scan [1936].jpg", "scan 1.jpg")
    assert pairs(plan_jobs(["scan [1936].jpg"], None)) == {"scan [1936].jpg": "scan [1936]-color.jpg"}


@pytest.mark.usefixtures("here")
def test_picture_given_twice_is_colored_once() -> None:
    make("in/a.jpg")
    Path("link.jpg").symlink_to("in/a.jpg")
    assert pairs(plan_jobs(["in/a.jpg", "in", "in/*.jpg", "./in/../in/a.jpg", "link.jpg"], Path("out"))) == {
        "in/a.jpg": "out/a.jpg"
    }


@pytest.mark.parametrize("sources", [["*.jpg"], ["a.jpg", "a-color.jpg", "b.jpg", "c-color.jpg"]])
@pytest.mark.usefixtures("here")
def test_results_of_an_earlier_run_are_not_colored_again(sources: list[str]) -> None:
    # Quoted, and as a shell expands it.
    make("a.jpg", "a-color.jpg", "b.jpg", "c-color.jpg")
    assert pairs(plan_jobs(sources, None)) == {
        "a.jpg": "a-color.jpg",
        "b.jpg": "b-color.jpg",
        "c-color.jpg": "c-color-color.jpg",
    }


@pytest.mark.usefixtures("here")
def test_results_of_an_earlier_run_are_known_where_png_took_their_place() -> None:
    make("a.gif", "a-color.png", "photos/b.jpg", "photos-color/b.jpg")
    assert pairs(plan_jobs(["a.gif", "a-color.png", "photos", "photos-color"], None)) == {
        "a.gif": "a-color.gif",
        "photos/b.jpg": "photos-color/b.jpg",
    }


@pytest.mark.usefixtures("here")
def test_result_of_a_missing_picture_is_a_picture_like_any_other() -> None:
    make("a-color.jpg")
    jobs = plan_jobs(["a.jpg", "a-color.jpg"], None)
    assert [(str(job.source), job.problem is None) for job in jobs] == [("a.jpg", False), ("a-color.jpg", True)]


@pytest.mark.usefixtures("here")
def test_picture_that_was_named_is_not_overwritten_even_when_it_is_named_like_a_result() -> None:
    make("a.jpg", "a-color.jpg")
    (job,) = plan_jobs(["a.jpg", "a-color.jpg"], None, overwrite=True)
    assert str(job.source) == "a.jpg"
    assert job.problem == ("its output would overwrite a-color.jpg, which is an input; name another folder with -o")
    assert pairs(plan_jobs(["*.jpg"], None, overwrite=True)) == {"a.jpg": "a-color.jpg"}


@pytest.mark.usefixtures("here")
def test_no_output_takes_the_place_of_an_input() -> None:
    make("a/1.jpg", "b/1.jpg")
    jobs = plan_jobs(["a/1.jpg", "b/1.jpg"], Path("b"))
    assert "would overwrite b/1.jpg, which is an input" in problem(jobs, "a/1.jpg")
    assert "would overwrite it" in problem(jobs, "b/1.jpg")


@pytest.mark.usefixtures("here")
def test_no_output_takes_the_place_of_an_input_through_a_link() -> None:
    make("in/a.jpg", "out/keep.txt")
    Path("out/a.jpg").symlink_to("../in/a.jpg")
    assert "would overwrite it" in problem(plan_jobs(["in"], Path("out")), "in/a.jpg")
    Path("other").symlink_to("in")
    assert "would overwrite it" in problem(plan_jobs(["in/a.jpg"], Path("other")), "in/a.jpg")


@pytest.mark.usefixtures("here")
def test_outputs_of_one_name_are_a_problem_of_all_but_the_first() -> None:
    make("a/1.jpg", "b/1.jpg", "b/2.jpg")
    jobs = plan_jobs(["a", "b"], Path("out"))
    assert [job.problem is None for job in jobs] == [True, False, True]
    assert problem(jobs, "b/1.jpg") == (
        "its output out/1.jpg is already that of a/1.jpg; color one of them in a run with another -o"
    )


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nothing.jpg", "no such file or folder"),
        ("empty", "no pictures in this folder or below it"),
        ("texts", "no pictures in this folder or below it"),
        ("*.png", "no such file, and no picture matches it as a pattern"),
        ("scan [1].jpg", "no such file, and no picture matches it as a pattern"),
        ("x" * 300 + ".jpg", "no such file or folder"),
        ("a.jpg/b.jpg", "no such file or folder"),
        ("loop.jpg", "no such file or folder"),
        ("broken.jpg", "no such file or folder"),
    ],
)
@pytest.mark.usefixtures("here")
def test_source_that_names_nothing_is_a_problem_and_the_others_go_on(source: str, words: str) -> None:
    make("a.jpg", "texts/a.txt")
    Path("empty").mkdir()
    Path("loop.jpg").symlink_to("loop.jpg")
    Path("broken.jpg").symlink_to("nowhere.jpg")
    jobs = plan_jobs([source, "a.jpg"], Path("out"))
    assert len(jobs) == 2
    assert words in problem(jobs, source)
    assert source not in problem(jobs, source)
    assert jobs[1].problem is None


@pytest.mark.usefixtures("here")
def test_links_that_run_in_a_circle_break_no_folder() -> None:
    make("in/a.jpg", "out/keep.txt")
    Path("in/loop.jpg").symlink_to("loop.jpg")
    Path("out/a.jpg").symlink_to("a.jpg")
    assert pairs(plan_jobs(["in"], Path("out"))) == {"in/a.jpg": "out/a.jpg"}


@pytest.mark.usefixtures("here")
def test_empty_name_does_not_mean_the_working_folder() -> None:
    make("a.jpg")
    with pytest.raises(UsageError, match="one of the pictures has an empty name"):
        plan_jobs([""], None)


def test_root_folder_has_a_place_for_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "rglob", lambda self, pattern: iter([Path("/a.jpg")]))
    monkeypatch.setattr(Path, "is_file", lambda self: True)
    assert pairs(plan_jobs(["/"], None)) == {"/a.jpg": "/-color/a.jpg"}


def test_name_is_claimed_by_its_own_picture_again() -> None:
    names = Names([Path("in/a.gif"), Path("in/b.png")])
    assert names.claim(Path("out/a.png"), Path("in/a.gif")) is None
    assert names.claim(Path("out/a.png"), Path("in/a.gif")) is None
    assert "is already that of in/a.gif" in str(names.claim(Path("out/a.png"), Path("in/a.pgm")))
    assert "which is an input" in str(names.claim(Path("in/b.png"), Path("in/a.gif")))
