"""Content Credentials: a signed statement in a result of what it was made from, and how. Needs c2pa-python.

Source: C2PA Technical Specification 2 (claims, actions, ingredients), c2pa.org.
"""

from __future__ import annotations

import datetime
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from PIL import Image

from colorrt.atomic import atomic_path, in_one_line, part_folder, printable
from colorrt.errors import PictureError, UsageError
from colorrt.runtime.pictures.formats import mark_of
from colorrt.runtime.provenance.mark import DIGITAL_SOURCE_TYPE, NAMESPACE, Mark
from colorrt.runtime.render_factors import as_value

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

_KIND_OF = {
    ".avif": "image/avif",
    ".jfif": "image/jpeg",
    ".jpe": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".mp4": "video/mp4",
    ".png": "image/png",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".webp": "image/webp",
}
_UNKNOWN = "application/octet-stream"
_ELLIPTIC = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


@dataclass(frozen=True)
class Credentials:
    """Who signs: a chain of certificates, that of the signer first, and the private key to it, both PEM."""

    certificates: bytes
    key: bytes = field(repr=False)
    algorithm: str
    """C2PA's name: es256, es384, es512, ps256 or ed25519."""


def load_credentials(certificates: Path, key: Path) -> Credentials:
    """Read a signer's certificates and private key (PEM, not encrypted), and try them on a picture of one pixel.

    Raises UsageError, one line with what to do, when c2pa-python is not installed, a file cannot be read, they do not
    belong together, the certificate is out of date, or C2PA does not take it (it asks for an X.509 v3 certificate,
    not self-signed, for signing documents or mail).
    """
    try:
        import c2pa  # noqa: F401 (only whether it is there)
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization
    except ImportError as error:
        raise UsageError(
            f"--sign needs c2pa-python ({in_one_line(error)}); install it: pip install 'colorrt[provenance]'"
        ) from error
    pem, secret = _content(certificates), _content(key)
    try:
        signer = x509.load_pem_x509_certificates(pem)[0]
    except Exception as error:
        raise UsageError(
            f"{printable(certificates)}: it holds no certificate in PEM; give the file with the signer's certificate "
            "first and those that vouch for it behind"
        ) from error
    try:
        private = serialization.load_pem_private_key(secret, None)
    except Exception as error:
        # What the library says here may quote the key.
        raise UsageError(
            f"{printable(key)}: it holds no private key in PEM without a password; "
            "openssl pkey -in KEY -out PLAIN writes one"
        ) from error
    public = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*public) != signer.public_key().public_bytes(*public):
        raise UsageError(
            f"{printable(key)}: this key does not belong to the first certificate of {printable(certificates)}; "
            "give the pair, the signer's certificate first"
        )
    if not signer.not_valid_before_utc <= datetime.datetime.now(datetime.timezone.utc) <= signer.not_valid_after_utc:
        raise UsageError(
            f"{printable(certificates)}: the certificate is valid from {signer.not_valid_before_utc:%Y-%m-%d} to "
            f"{signer.not_valid_after_utc:%Y-%m-%d} only; give one that is valid today"
        )
    # Of the forms that a key may have, C2PA's library takes this one.
    plain = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    credentials = Credentials(pem, plain, _algorithm(private, key))
    _try(credentials, certificates)
    return credentials


@contextmanager
def signed(path: Path, source: Path, mark: Mark, credentials: Credentials) -> Iterator[Path]:
    """Lend a path to write a result to; what was written there is signed, and appears at `path` whole or not at all.

    source: the original, which becomes the ingredient. Raises PictureError, "PATH: reason; advice" in one line, when
    the format of `path` holds no Content Credentials or signing fails.
    """
    kind = _KIND_OF.get(path.suffix.lower())
    if kind is None:
        raise PictureError(
            f"{printable(path)}: '{printable(path.suffix)}' has no place for Content Credentials; "
            "name it .png or .tif, or leave --sign out"
        )
    with (
        atomic_path(path, PictureError) as part,
        # In the folder of the result, for that is the disk that has to have room for it.
        part_folder(part.parent) as folder,
    ):
        unsigned = folder / f"unsigned{path.suffix}"
        try:
            yield unsigned
        except PictureError as error:
            raise PictureError(str(error).replace(printable(unsigned), printable(path))) from error
        try:
            with unsigned.open("rb") as pixels, part.open("w+b") as target, source.open("rb") as original:
                _sign(pixels, kind, target, original, path.name, mark, credentials)
        except OSError:
            raise
        except Exception as error:
            raise PictureError(
                f"{printable(path)}: it could not be signed ({in_one_line(error)[:300]}); "
                "check the certificate, or leave --sign out"
            ) from error


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{printable(path)}: cannot be read ({error.strerror or error}); --sign takes the file of the certificate, "
            "then that of its private key"
        ) from error


def _algorithm(private: PrivateKeyTypes, path: Path) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name in _ELLIPTIC:
        return _ELLIPTIC[private.curve.name]
    if isinstance(private, rsa.RSAPrivateKey):
        return "ps256"
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return "ed25519"
    raise UsageError(
        f"{printable(path)}: C2PA signs with keys of P-256, P-384, P-521, RSA or Ed25519, and this is another; "
        "ask for a certificate with one of these"
    )


def _try(credentials: Credentials, certificates: Path) -> None:
    """Sign a picture of one pixel: what C2PA does not take is found out before any work is done."""
    picture = io.BytesIO()
    Image.new("RGB", (1, 1)).save(picture, "PNG")
    mark = Mark("colorrt 0", "pixel.png", "none", "", (1,), 1.0, "guided")
    try:
        _sign(
            io.BytesIO(picture.getvalue()),
            "image/png",
            io.BytesIO(),
            io.BytesIO(picture.getvalue()),
            "pixel.png",
            mark,
            credentials,
        )
    except Exception as error:
        raise UsageError(
            f"{printable(certificates)}: C2PA does not take this certificate ({in_one_line(error)[:300]}); it asks for "
            "one by an authority, for signing documents or mail, with the chain behind it"
        ) from error


def _sign(
    pixels: BinaryIO, kind: str, target: BinaryIO, original: BinaryIO, title: str, mark: Mark, credentials: Credentials
) -> None:
    import c2pa

    name, _, version = mark.tool.partition(" ")
    tool = {"name": name, "version": version}
    settings = {
        "model": mark.model,
        "weightsSHA256": mark.weights_sha256,
        "renderFactor": as_value(mark.render_factors),
        "saturation": mark.saturation,
        "upsampling": mark.upsampling,
    }
    colored = {
        "action": "c2pa.color_adjustments",
        "digitalSourceType": DIGITAL_SOURCE_TYPE,
        "softwareAgent": tool,
        "parameters": {f"{NAMESPACE}{key}": value for key, value in settings.items()},
    }
    opened = {"action": "c2pa.opened", "parameters": {"ingredientIds": ["original"]}}
    manifest = {
        "claim_generator_info": [tool],
        "title": printable(title),
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [opened, colored]}}],
    }
    ingredient = {"title": mark.source, "relationship": "parentOf", "label": "original", "instance_id": "original"}
    # A signer of its own for each picture: two are written at a time.
    info = c2pa.C2paSignerInfo(credentials.algorithm, credentials.certificates, credentials.key, None)
    with c2pa.Signer.from_info(info) as signer, _builder(manifest) as builder:
        builder.add_ingredient(ingredient, _kind_of(original), original)
        builder.sign(signer, kind, pixels, target)


def _builder(manifest: dict[str, Any]) -> Any:
    import c2pa

    settings = {
        # It would decode scans of any size once more.
        "builder": {"thumbnail": {"enabled": False}},
        # An original from anywhere may name an address.
        "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
    }
    return c2pa.Builder(manifest, c2pa.Context(c2pa.Settings.from_dict(settings)))


def _kind_of(original: BinaryIO) -> str:
    """Return the media type of an original by its content. Of an unknown one C2PA's library takes the digest alone."""
    beginning = original.read(12)
    original.seek(0)
    if beginning[4:8] == b"ftyp" and beginning[8:] not in (b"avif", b"avis"):
        return "video/quicktime" if beginning[8:] == b"qt  " else "video/mp4"
    if beginning[:4] == b"RIFF" and beginning[8:] == b"WEBP":
        return "image/webp"
    found = mark_of(original)
    return _UNKNOWN if found is None else f"image/{found.lower()}"
