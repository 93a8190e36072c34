"""Certificates by an authority of the tests' own, and credentials to sign with."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from colorrt.runtime.signing import Credentials, load_credentials

if TYPE_CHECKING:
    from pathlib import Path

PEM = serialization.Encoding.PEM
NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)


def certificate(name: str, key: Any, issuer: str, issuer_key: Any, *, authority: bool, days: int = 30) -> Any:
    def named(common: str) -> x509.Name:
        return x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Archive"),
                x509.NameAttribute(NameOID.COMMON_NAME, common),
            ]
        )

    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + min(days - 1, -1) * DAY)
        .not_valid_after(NOW + days * DAY)
        .add_extension(x509.BasicConstraints(authority, None), True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not authority,
                key_cert_sign=authority,
                crl_sign=authority,
                decipher_only=False,
                **usage,
            ),
            True,
        )
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False)
    )
    if not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
    return builder.sign(issuer_key, hashes.SHA256())


AUTHORITY = ec.generate_private_key(ec.SECP256R1())
ROOT = certificate("Authority", AUTHORITY, "Authority", AUTHORITY, authority=True)


def pair(folder: Path, key: Any, form: Any = serialization.PrivateFormat.PKCS8, **options: Any) -> tuple[Path, Path]:
    """Files of a certificate by the authority, and of its key."""
    own = certificate("Signer", key, "Authority", AUTHORITY, authority=False, **options)
    (folder / "cert.pem").write_bytes(own.public_bytes(PEM) + ROOT.public_bytes(PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(PEM, form, serialization.NoEncryption()))
    return folder / "cert.pem", folder / "key.pem"


def make_signer(folder: Path) -> Credentials:
    return load_credentials(*pair(folder, ec.generate_private_key(ec.SECP256R1())))
