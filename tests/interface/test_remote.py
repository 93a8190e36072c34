"""`colorrt run` from and to a store: an S3 server of moto, started here."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("obstore", reason="the extra 'remote' is not installed")
moto = pytest.importorskip("moto.server", reason="the extra 'cluster' is not installed: no S3 server to test against")

import obstore  # noqa: E402 (only where it is there)
from obstore.store import from_url  # noqa: E402 (only where it is there)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typer.testing import Result

    Command = Callable[..., Result]
    Save = Callable[..., Path]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of an S3 server on this machine."""
    one = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    one.start()
    host, port = one.get_host_and_port()
    yield f"http://{host}:{port}"
    one.stop()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A new bucket."""
    settings = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_REGION": "us-east-1"}
    for name, value in (settings | {"AWS_ENDPOINT_URL": server, "AWS_ALLOW_HTTP": "true"}).items():
        monkeypatch.setenv(name, value)
    name = f"b{abs(hash(tmp_path))}"
    urllib.request.urlopen(urllib.request.Request(f"{server}/{name}", method="PUT")).close()
    return f"s3://{name}"


def put(bucket: str, name: str, data: bytes) -> None:
    obstore.put(from_url(bucket), name, data)


def objects(address: str) -> dict[str, bytes]:
    store = from_url(address)
    return {
        meta["path"]: bytes(obstore.get(store, meta["path"]).bytes()) for chunk in obstore.list(store) for meta in chunk
    }


def results(address: str) -> dict[str, bytes]:
    return {name: data for name, data in objects(address).items() if not name.startswith(".colorrt/")}


def rows(address: str) -> list[dict[str, Any]]:
    texts = [data for name, data in sorted(objects(address).items()) if name.startswith(".colorrt/journal-")]
    return [json.loads(line) for text in texts for line in text.decode().splitlines()]


@pytest.fixture
def scans(bucket: str, save_gray: Save, tmp_path: Path) -> Path:
    """Pictures and other things, in a folder and in the bucket alike."""
    folder = tmp_path / "scans"
    save_gray(folder / "a.jpg")
    save_gray(folder / "box 1/ä.png")
    save_gray(folder / "x.gif", "P")
    (folder / "broken.jpg").write_bytes(b"no picture")
    (folder / "notes.txt").write_bytes(b"words")
    for path in folder.rglob("*.*"):
        put(bucket, f"in/{path.relative_to(folder).as_posix()}", path.read_bytes())
    return folder


def test_store_to_store_gives_what_a_folder_gives(run: Command, bucket: str, scans: Path, tmp_path: Path) -> None:
    local = run("scans", "-o", "out")
    result = run(f"{bucket}/in", "-o", f"{bucket}/out", "--report", "report.json")
    assert result.exit_code == local.exit_code == 1
    assert result.stdout == f"3 colored, in {bucket}/out; 1 failed\n1 left out: 1 file that is no picture\n" or (
        f"3 colored, in {bucket}/out; 1 failed" in result.output
    )
    assert f"failed: {bucket}/in/broken.jpg: " in result.stderr
    made = {
        path.relative_to(tmp_path / "out").as_posix(): path.read_bytes()
        for path in (tmp_path / "out").rglob("*.*")
        if path.is_file() and path.parent.name != ".colorrt"
    }
    assert results(f"{bucket}/out") == made
    report = json.loads((tmp_path / "report.json").read_text())
    assert {row["source"] for row in report if row["outcome"] == "done"} >= {f"{bucket}/in/a.jpg"}

    again = run(f"{bucket}/in", "-o", f"{bucket}/out")
    assert "3 skipped: done before; 1 failed" in again.output
    assert sum(row["outcome"] == "done" for row in rows(f"{bucket}/out")) == 3


def test_result_whose_run_was_killed_before_its_row_is_known(run: Command, bucket: str, scans: Path) -> None:
    run(f"{bucket}/in", "-o", f"{bucket}/out")
    before = results(f"{bucket}/out")
    store = from_url(f"{bucket}/out")
    for name in objects(f"{bucket}/out"):
        if name.startswith(".colorrt/"):
            obstore.delete(store, name)
    again = run(f"{bucket}/in", "-o", f"{bucket}/out")
    assert "3 skipped: done before; 1 failed" in again.output
    assert results(f"{bucket}/out") == before
    assert sum(row["outcome"] == "done" for row in rows(f"{bucket}/out")) == 3


def test_replaced_scan_is_colored_again_and_a_foreign_object_stays(
    run: Command, bucket: str, scans: Path, save_gray: Save, tmp_path: Path
) -> None:
    put(bucket, "out/a.jpg", b"somebody else's")
    run(f"{bucket}/in", "-o", f"{bucket}/out")
    assert results(f"{bucket}/out")["a.jpg"] == b"somebody else's"
    before = results(f"{bucket}/out")["box 1/ä.png"]
    put(bucket, "in/box 1/ä.png", save_gray(tmp_path / "new.png", size=(20, 10)).read_bytes())
    again = run(f"{bucket}/in", "-o", f"{bucket}/out")
    assert "1 colored" in again.output
    assert results(f"{bucket}/out")["box 1/ä.png"] != before
    other = run(f"{bucket}/in", "-o", f"{bucket}/out", "--saturation", "2")
    assert "2 skipped: made with other settings" in other.output
    assert "3 colored" in run(f"{bucket}/in", "-o", f"{bucket}/out", "--overwrite").output


def test_two_runs_meanwhile_exactly_one_puts(
    run: Command, bucket: str, scans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from colorrt.runtime.remote import running

    def nothing_yet(*_: object) -> tuple[dict[str, object], list[str]]:
        return {}, []

    run(f"{bucket}/in", "-o", f"{bucket}/out")
    before = results(f"{bucket}/out")
    # A run that listed the store before the other began.
    monkeypatch.setattr(running, "list_results", nothing_yet)
    late = run(f"{bucket}/in", "-o", f"{bucket}/out")
    assert "3 skipped: made by another run meanwhile; 1 failed" in late.output
    assert results(f"{bucket}/out") == before


def test_between_folder_and_store_and_journals_of_both(run: Command, bucket: str, scans: Path, tmp_path: Path) -> None:
    assert "3 colored" in run("scans", "-o", f"{bucket}/up").output
    assert "3 colored" in run(f"{bucket}/in", "-o", "down").output
    assert "3 skipped: done before" in run(f"{bucket}/in", "-o", "down").output
    assert (tmp_path / "down/a.jpg").read_bytes() == results(f"{bucket}/up")["a.jpg"]


def test_what_cannot_be_is_said_in_a_line(run: Command, bucket: str, scans: Path) -> None:
    for arguments, words in (
        ((f"{bucket}/in",), "need a place for their results"),
        ((f"{bucket}/in", "-o", f"{bucket}/in"), "results would overwrite their pictures"),
        ((f"{bucket}/nothing", "-o", "out"), "no pictures at this address"),
        (("s3://no-such-bucket/in", "-o", "out"), "cannot be listed"),
        ((f"{bucket}/in", "-o", "out", "--sheet", "sheet.png"), "--sheet is of files"),
    ):
        result = run(*arguments)
        assert result.exit_code == 2, result.output
        assert words in result.stderr.splitlines()[-1]


def test_journals_of_a_store_are_shown_verified_and_merged(
    colorrt: Command, run: Command, bucket: str, scans: Path, tmp_path: Path
) -> None:
    out = f"{bucket}/out"
    run(f"{bucket}/in", "-o", out)
    shown = colorrt("journal", "show", out, "--json", tmp_path / "journal.json")
    assert shown.exit_code == 0, shown.output
    assert json.loads((tmp_path / "journal.json").read_text())["outcomes"] == {"done": 3, "failed": 1}
    verified = colorrt("journal", "verify", out)
    assert verified.exit_code == 0, verified.output
    obstore.put(from_url(out), "a.jpg", b"something else")
    damaged = colorrt("journal", "verify", out)
    assert damaged.exit_code == 1
    assert "a.jpg" in damaged.output
    (tmp_path / "all").mkdir()
    merged = colorrt("journal", "merge", tmp_path / "all", out)
    assert merged.exit_code == 0, merged.output
    assert "rows added" in merged.stdout
    assert colorrt("journal", "merge", tmp_path / "all", out).stdout.startswith("0 rows added")
