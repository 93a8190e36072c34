"""`colorrt run --no-mark` and `--sign` as a person uses them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

    Command = Callable[..., Result]
    Save = Callable[..., Path]

MARK = b"compositeWithTrainedAlgorithmicMedia"

CONFIG = """[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = emailProtection
authorityKeyIdentifier = keyid
"""


def test_results_are_marked_unless_asked_not_to(run: Command, save_gray: Save, tmp_path: Path) -> None:
    save_gray(tmp_path / "old.jpg")
    assert run("old.jpg", "-o", "marked.jpg").exit_code == 0
    assert run("old.jpg", "-o", "plain.jpg", "--no-mark").exit_code == 0
    assert MARK in (tmp_path / "marked.jpg").read_bytes()
    assert b'filePath="old.jpg"' in (tmp_path / "marked.jpg").read_bytes()
    assert MARK not in (tmp_path / "plain.jpg").read_bytes()


def make_certificate(folder: Path) -> None:
    """A certificate by an authority of the test's own, as a person makes one with openssl."""
    (folder / "openssl.cnf").write_text(CONFIG)
    for arguments in (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout root.key -out root.pem -days 9"
        " -subj /O=Archive/CN=Root -config openssl.cnf -extensions root",
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out leaf.csr"
        " -subj /O=Archive/CN=Signer -config openssl.cnf",
        "x509 -req -in leaf.csr -CA root.pem -CAkey root.key -CAcreateserial -out leaf.pem -days 8"
        " -extfile openssl.cnf -extensions leaf",
    ):
        subprocess.run(["openssl", *arguments.split()], cwd=folder, check=True, capture_output=True)
    (folder / "cert.pem").write_bytes((folder / "leaf.pem").read_bytes() + (folder / "root.pem").read_bytes())


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not here")
def test_results_are_signed_and_a_wrong_pair_stops_before_any_work(
    run: Command, save_gray: Save, tmp_path: Path
) -> None:
    c2pa = pytest.importorskip("c2pa")
    make_certificate(tmp_path)
    for name in ("a.jpg", "b.bmp", "c.tif"):
        save_gray(tmp_path / "photos" / name)
    result = run("photos", "-o", "none", "--sign", "cert.pem", "root.key")
    assert result.exit_code == 2
    assert "root.key: this key does not belong to the first certificate of cert.pem" in result.stderr
    assert not (tmp_path / "none").exists()
    result = run("photos", "-o", "out", "--sign", "cert.pem", "key.pem")
    assert (result.exit_code, result.stdout) == (1, "2 colored, in out; 1 failed\n")
    assert "b.bmp: '.bmp' has no place for Content Credentials; name it .png or .tif, or leave" in result.stderr
    assert sorted(path.name for path in (tmp_path / "out").glob("[!.]*")) == ["a.jpg", "c.tif"]
    for name in ("a.jpg", "c.tif"):
        with c2pa.Reader(str(tmp_path / "out" / name)) as reader:
            assert reader.get_validation_state() == "Valid"


def test_without_the_package_one_line_says_what_to_install(
    run: Command, save_gray: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_gray(tmp_path / "old.jpg")
    monkeypatch.setitem(sys.modules, "c2pa", None)
    result = run("old.jpg", "--sign", "cert.pem", "key.pem")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "pip install 'colorrt[provenance]'" in result.stderr
    assert not (tmp_path / "old-color.jpg").exists()
