"""Content Credentials: C2PA's own reader finds them valid, and a signing that fails leaves nothing behind."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from colored_files import DEEP, DONE, FAILED, GRAY, files
from PIL import Image, features

from colorrt.errors import UsageError
from colorrt.runtime.folder import Result
from colorrt.runtime.provenance.mark import DIGITAL_SOURCE_TYPE
from colorrt.runtime.signing import Credentials, load_credentials

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Color = Callable[..., Result]

c2pa = pytest.importorskip("c2pa")
from cryptography.hazmat.primitives import serialization  # noqa: E402 (skipped before it where the package is absent)
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: E402 (skipped before it where the package is absent)
from signers import AUTHORITY, PEM, ROOT, certificate, pair  # noqa: E402 (skipped before it where the package is absent)


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    return load_credentials(*pair(tmp_path_factory.mktemp("signer"), ec.generate_private_key(ec.SECP256R1())))


def manifest_of(path: Path) -> tuple[dict[str, Any], set[str]]:
    """The active manifest, and the codes of all that C2PA's reader has against it."""
    with c2pa.Reader(str(path)) as reader:
        found = json.loads(reader.json())
        assert reader.get_validation_state() == "Valid"
    return found["manifests"][found["active_manifest"]], {item["code"] for item in found["validation_status"]}


NAMES = ["a.jpg", "a.png", "deep.png", "a.tif", "deep.tif"]
NAMES += ["a.webp"] if features.check("webp") else []
NAMES += ["a.avif"] if "avif" in features.modules and features.check("avif") else []


def saved(path: Path) -> Path:
    Image.fromarray(DEEP if path.stem == "deep" else GRAY).save(path)
    return path


@pytest.mark.parametrize("name", NAMES)
def test_signed_result_is_valid_and_names_its_original(
    color: Color, tmp_path: Path, credentials: Credentials, name: str
) -> None:
    source = saved(tmp_path / name)
    assert color(source, credentials=credentials).outcome is DONE
    assert color(source, f"plain-{name}").outcome is DONE
    manifest, against = manifest_of(tmp_path / "out" / name)
    # Nobody trusts the authority of a test.
    assert against == {"signingCredential.untrusted"}
    assert manifest["signature_info"]["common_name"] == "Signer"
    assert manifest["claim_generator_info"][0]["name"] == "colorrt"
    (ingredient,) = manifest["ingredients"]
    assert (ingredient["title"], ingredient["relationship"]) == (name, "parentOf")
    (actions,) = [found["data"]["actions"] for found in manifest["assertions"] if "actions" in found["label"]]
    assert [action["action"] for action in actions] == ["c2pa.opened", "c2pa.color_adjustments"]
    assert actions[1]["digitalSourceType"] == DIGITAL_SOURCE_TYPE
    assert actions[1]["parameters"]["urn:colorrt:1.0:model"] == "tiny"
    assert "thumbnail" not in manifest
    with Image.open(tmp_path / "out" / name) as one, Image.open(tmp_path / "out" / f"plain-{name}") as other:
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
    assert DIGITAL_SOURCE_TYPE.encode() in (tmp_path / "out" / f"plain-{name}").read_bytes()
    assert b"xmpMM:DerivedFrom" in (tmp_path / "out" / name).read_bytes()
    assert files(tmp_path / "out") == sorted([name, f"plain-{name}"])


def test_changed_pixels_are_found_out(color: Color, tmp_path: Path, credentials: Credentials) -> None:
    assert color(saved(tmp_path / "a.tif"), credentials=credentials).outcome is DONE
    data = bytearray((tmp_path / "out/a.tif").read_bytes())
    with Image.open(tmp_path / "out/a.tif") as image:
        data[image.tag_v2[273][0] + 5] ^= 1
    (tmp_path / "out/a.tif").write_bytes(data)
    with c2pa.Reader(str(tmp_path / "out/a.tif")) as reader:
        assert reader.get_validation_state() == "Invalid"


def test_lossless_luma_and_originals_of_other_formats_are_signed_too(
    color: Color, tmp_path: Path, credentials: Credentials
) -> None:
    assert color(saved(tmp_path / "a.jpg"), credentials=credentials, lossless_luma=True).outcome is DONE
    manifest_of(tmp_path / "out/a.jpg")
    for name in ("b.bmp", "b.gif", "b.pgm", "b.tga"):
        assert color(saved(tmp_path / name), "b.png", credentials=credentials).outcome is DONE
        assert manifest_of(tmp_path / "out/b.png")[0]["ingredients"][0]["title"] == name


def test_signed_original_stays_in_the_history(color: Color, tmp_path: Path, credentials: Credentials) -> None:
    assert color(saved(tmp_path / "a.jpg"), credentials=credentials).outcome is DONE
    (tmp_path / "out/a.jpg").rename(tmp_path / "b.jpg")
    assert color(tmp_path / "b.jpg", recolor=True, credentials=credentials).outcome is DONE
    manifest, _ = manifest_of(tmp_path / "out/b.jpg")
    assert manifest["ingredients"][0]["active_manifest"]


def test_format_without_a_place_is_that_pictures_failure(
    color: Color, tmp_path: Path, credentials: Credentials
) -> None:
    result = color(saved(tmp_path / "a.bmp"), credentials=credentials)
    assert result.outcome is FAILED
    assert result.reason == (
        f"{tmp_path / 'out/a.bmp'}: '.bmp' has no place for Content Credentials; "
        "name it .png or .tif, or leave --sign out"
    )
    assert files(tmp_path / "out") == []


def test_failing_signer_leaves_no_file_and_keeps_the_old_one(
    color: Color, tmp_path: Path, credentials: Credentials
) -> None:
    broken = Credentials(credentials.certificates, b"no key", "es256")
    result = color(saved(tmp_path / "a.png"), credentials=broken)
    assert result.outcome is FAILED
    assert result.reason is not None
    assert "a.png: it could not be signed (" in result.reason
    assert "\n" not in result.reason
    assert files(tmp_path / "out") == []
    (tmp_path / "out/a.png").write_bytes(b"old")
    assert color(tmp_path / "a.png", credentials=broken).outcome is FAILED
    assert files(tmp_path / "out") == ["a.png"]
    assert (tmp_path / "out/a.png").read_bytes() == b"old"


def test_failing_write_is_told_by_the_name_of_the_result(
    color: Color, tmp_path: Path, credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("colorrt.runtime.pictures.writing.as_image", full)
    result = color(saved(tmp_path / "a.png"), credentials=credentials)
    assert result.reason is not None
    assert result.reason.startswith(f"{tmp_path / 'out/a.png'}: cannot be written: the disk is full")
    assert files(tmp_path / "out") == []


KEYS = {
    "P-256": (lambda: ec.generate_private_key(ec.SECP256R1()), "es256"),
    "P-384": (lambda: ec.generate_private_key(ec.SECP384R1()), "es384"),
    "P-521": (lambda: ec.generate_private_key(ec.SECP521R1()), "es512"),
    "RSA": (lambda: rsa.generate_private_key(65537, 2048), "ps256"),
    "Ed25519": (ed25519.Ed25519PrivateKey.generate, "ed25519"),
}


@pytest.mark.parametrize("name", KEYS)
def test_each_kind_of_key_signs(color: Color, tmp_path: Path, name: str) -> None:
    make, algorithm = KEYS[name]
    credentials = load_credentials(*pair(tmp_path, make()))
    assert credentials.algorithm == algorithm
    assert color(saved(tmp_path / "a.png"), credentials=credentials).outcome is DONE
    manifest_of(tmp_path / "out/a.png")


def test_key_as_openssl_wrote_it_long_ago_is_taken(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    assert load_credentials(*pair(tmp_path, key, serialization.PrivateFormat.TraditionalOpenSSL)).algorithm == "es256"


def test_key_is_not_shown(credentials: Credentials) -> None:
    assert "PRIVATE" not in repr(credentials)


def test_wrong_pairs_are_refused_in_one_line_before_any_work(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    cert, secret = pair(tmp_path, key)
    other = tmp_path / "other.pem"
    other.write_bytes(AUTHORITY.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    locked = tmp_path / "locked.pem"
    encryption = serialization.BestAvailableEncryption(b"word")
    locked.write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, encryption))
    strange, strange_key = tmp_path / "strange.pem", tmp_path / "strange-key.pem"
    curve = ec.generate_private_key(ec.SECP256K1())
    strange.write_bytes(certificate("Signer", curve, "Authority", AUTHORITY, authority=False).public_bytes(PEM))
    strange_key.write_bytes(curve.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    root = tmp_path / "root.pem"
    root.write_bytes(ROOT.public_bytes(PEM))
    (tmp_path / "old").mkdir()
    expired = pair(tmp_path / "old", key, days=-3)
    for (certificates, private), message in {
        (tmp_path / "none.pem", secret): "none.pem: cannot be read",
        (cert, tmp_path / "none.pem"): "none.pem: cannot be read",
        (secret, secret): "key.pem: it holds no certificate in PEM",
        (cert, cert): "cert.pem: it holds no private key in PEM without a password",
        (cert, locked): "locked.pem: it holds no private key in PEM without a password",
        (cert, other): "other.pem: this key does not belong to the first certificate of",
        (strange, strange_key): "strange-key.pem: C2PA signs with keys of P-256",
        (root, other): "root.pem: C2PA does not take this certificate",
        expired: "cert.pem: the certificate is valid from",
    }.items():
        with pytest.raises(UsageError, match=rf"^[^\n]*{message}[^\n]*; [^\n]+$"):
            load_credentials(certificates, private)


def test_without_the_package_one_line_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "c2pa", None)
    with pytest.raises(UsageError, match=r"^--sign needs c2pa-python .*pip install 'colorrt\[provenance\]'$"):
        load_credentials(tmp_path / "cert.pem", tmp_path / "key.pem")
