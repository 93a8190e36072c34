"""What the user named becomes jobs: which pictures, where to, and what cannot be."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from colorrt.errors import UsageError
from colorrt.runtime import jobs as runtime_jobs
from colorrt.runtime.jobs import Job, Names, plan_jobs, take_shard
from colorrt.runtime.searching import LeftOut


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
    Path("way").symlink_to("in")
    assert pairs(plan_jobs(["in/a.jpg", "in", "in/*.jpg", "./in/../in/a.jpg", "way/a.jpg"], Path("out"))) == {
        "in/a.jpg": "out/a.jpg"
    }


@pytest.mark.usefixtures("here")
def test_link_to_a_picture_is_a_picture_of_its_own() -> None:
    make("in/a.jpg")
    Path("in/b.jpg").symlink_to("a.jpg")
    assert pairs(plan_jobs(["in"], Path("out"))) == {"in/a.jpg": "out/a.jpg", "in/b.jpg": "out/b.jpg"}


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
def test_outputs_of_one_name_are_told_apart() -> None:
    make("a/1.jpg", "b/1.jpg", "b/2.jpg", "c/1.JPEG", "c/1.jpg", "d/1-2.jpg")
    assert pairs(plan_jobs(["a", "b", "c", "d"], Path("out"))) == {
        "a/1.jpg": "out/1.jpg",
        "b/1.jpg": "out/1-2.jpg",
        "b/2.jpg": "out/2.jpg",
        "c/1.JPEG": "out/1.JPEG",
        "c/1.jpg": "out/1-3.jpg",
        "d/1-2.jpg": "out/1-2-2.jpg",
    }


@pytest.mark.usefixtures("here")
def test_result_of_another_source_in_an_earlier_run_keeps_its_name() -> None:
    names = Names([Path("b/1.jpg")], lambda job: job.target == Path("out/1.jpg"))
    assert names.claim(Job(Path("b/1.jpg"), Path("out/1.jpg"))).target == Path("out/1-2.jpg")


@pytest.mark.usefixtures("here")
def test_results_above_the_searched_folder_do_not_hide_it() -> None:
    make("photos/a.jpg", "photos/sub/b.jpg")
    assert pairs(plan_jobs(["photos"], Path())) == {"photos/a.jpg": "a.jpg", "photos/sub/b.jpg": "sub/b.jpg"}


@pytest.mark.usefixtures("here")
def test_what_a_folder_holds_beside_pictures_is_told_with_its_kind_and_advice() -> None:
    make(
        "in/a.jpg", "in/b.CR2", "in/c.pdf", "in/d.mp4", "in/e.zip", "in/f.psd", "in/g.txt", "in/.h.jpg",
        "in/q.ts", "in/.cache/i.jpg", "in/@eaDir/j.jpg", "in/k/l.jpg", "in/.colorrt/journal.jsonl", "in/out/m.jpg",
    )  # fmt: skip
    Path("in/n.jpg").symlink_to("nowhere.jpg")
    Path("in/o").symlink_to("k")
    os.mkfifo("in/p.jpg")
    heard: list[LeftOut] = []
    jobs = plan_jobs(["in"], Path("in/out"), on_left_out=heard.append)
    assert set(pairs(jobs)) == {"in/a.jpg", "in/d.mp4", "in/k/l.jpg"}
    assert {str(one.path): one.kind for one in heard} == {
        "in/b.CR2": "camera RAW",
        "in/c.pdf": "PDF",
        "in/q.ts": "film, or a program",
        "in/e.zip": "archive",
        "in/f.psd": "picture of another format",
        "in/g.txt": "file that is no picture",
        "in/.h.jpg": "hidden file",
        "in/.cache": "hidden folder",
        "in/@eaDir": "system folder",
        "in/out": "folder of results",
        "in/n.jpg": "broken link",
        "in/o": "link to a folder",
        "in/p.jpg": "special file",
    }
    assert {one.kind: one.advice for one in heard}["camera RAW"] == "develop it first"


@pytest.mark.usefixtures("here")
def test_folder_that_cannot_be_entered_is_told_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    # Root may enter every folder: what the system refuses others is played.
    make("in/a.jpg", "in/closed/b.jpg", "in/listed/c.jpg", "in/z.jpg")
    real_scan, real_is_dir = os.scandir, Path.is_dir

    def scan(path: Path) -> Any:
        if path.name == "closed":
            raise PermissionError(13, "Permission denied")
        return real_scan(path)

    def is_dir(self: Path) -> bool:
        if self.parent.name == "listed":
            raise PermissionError(13, "Permission denied")
        return real_is_dir(self)

    monkeypatch.setattr(os, "scandir", scan)
    monkeypatch.setattr(Path, "is_dir", is_dir)
    heard: list[LeftOut] = []
    jobs = plan_jobs(["in"], Path("out"), on_left_out=heard.append)
    assert {str(job.source): job.problem for job in jobs} == {
        "in/a.jpg": None,
        "in/closed": "it is a folder that cannot be entered (Permission denied); check its permissions",
        "in/listed/c.jpg": "it is a file that cannot be reached (Permission denied); check its permissions",
        "in/z.jpg": None,
    }
    assert heard == []


@pytest.mark.usefixtures("here")
def test_folders_nest_deeper_than_python_recurses() -> None:
    depth = 1500
    for _ in range(depth):
        Path("d").mkdir()
        os.chdir("d")
    make("a.jpg")
    for _ in range(depth):
        os.chdir("..")
    # Names of more than 4096 bytes cannot be opened by their path; what can is found, the rest is told.
    heard: list[LeftOut] = []
    (job,) = plan_jobs(["d"], Path("out"), on_left_out=heard.append)
    assert job.problem is None or "no pictures in this folder" in job.problem
    for _ in range(depth):
        os.chdir("d")
    Path("a.jpg").unlink()
    for _ in range(depth):
        os.chdir("..")
        Path("d").rmdir()


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.nef", "'camera RAW'; develop it first"),
        ("a.pdf", "'PDF'; export its pages as pictures"),
        ("a.zip", "'archive'; unpack it first"),
    ],
)
def test_file_of_another_kind_that_was_named_is_refused_in_words(name: str, words: str) -> None:
    make(name)
    assert words in problem(plan_jobs([name], None), name)


@pytest.mark.usefixtures("here")
def test_address_on_the_net_is_refused_in_words() -> None:
    (job,) = plan_jobs(["https://example.org/a.jpg"], None)
    assert job.problem == "it is an address on the net; download the picture and name the file"


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("output", "words"), [("-", "cannot be piped"), ("z.psd", "does not write this format")])
def test_output_that_is_no_folder_by_its_name_is_refused(output: str, words: str) -> None:
    make("a.jpg")
    with pytest.raises(UsageError, match=words):
        plan_jobs(["a.jpg"], Path(output))


@pytest.mark.usefixtures("here")
def test_folder_that_another_run_makes_meanwhile_is_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    make("in/a.jpg")
    real, out = runtime_jobs.exists, Path("out")

    def exists(path: Path) -> bool:
        found = real(path)
        if path == out:
            out.mkdir(exist_ok=True)
        return found

    monkeypatch.setattr(runtime_jobs, "exists", exists)
    (job,) = plan_jobs(["in"], out)
    assert job.target == out / "a.jpg"


@pytest.mark.usefixtures("here")
def test_shards_part_the_pictures_without_overlap_whatever_else_is_named() -> None:
    make(*(f"in/{number:03}.jpg" for number in range(200)))
    jobs = plan_jobs(["in"], Path("out"))
    shards = [take_shard(jobs, number, 4) for number in range(1, 5)]
    assert sorted(str(job.source) for shard in shards for job in shard) == sorted(pairs(jobs))
    assert min(map(len, shards)) > 25
    (alone,) = plan_jobs(["in/007.jpg"], Path("out"))
    assert [len(take_shard([alone], number, 4)) for number in range(1, 5)] == [
        int(any(job.source == alone.source for job in shard)) for shard in shards
    ]
    with pytest.raises(UsageError, match="shard 5/4"):
        take_shard(jobs, 5, 4)


@pytest.mark.usefixtures("here")
def test_names_that_a_result_may_take_from_another_are_in_one_shard() -> None:
    make(*(f"in/{number:03}{suffix}" for number in range(50) for suffix in (".gif", ".png", ".jpg")))
    for number in range(1, 5):
        shard = take_shard(plan_jobs(["in"], Path("out")), number, 4)
        stems = [job.source.stem for job in shard]
        assert all(stems.count(stem) == 3 for stem in stems)
    # "." is a name without a suffix, and without a stem.
    assert sum(len(take_shard([Job(Path(), Path(), "no pictures")], number, 4)) for number in range(1, 5)) == 1


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
    monkeypatch.setattr("colorrt.runtime.jobs.search", lambda folder, without: iter([Path("/a.jpg")]))
    assert pairs(plan_jobs(["/"], None)) == {"/a.jpg": "/-color/a.jpg"}


def test_name_is_claimed_by_its_own_picture_again() -> None:
    names = Names([Path("in/a.gif"), Path("in/b.png")])
    gif = Job(Path("in/a.gif"), Path("out/a.png"))
    assert names.claim(gif) == gif
    assert names.claim(gif) == gif
    assert names.claim(Job(Path("in/a.pgm"), Path("out/a.png"))).target == Path("out/a-pgm.png")
    assert "which is an input" in str(names.claim(Job(Path("in/a.gif"), Path("in/b.png"))).problem)
