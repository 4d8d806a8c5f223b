"""A chain of certificates as an authority would issue it, made for a test.

`python tests/sign/certificates.py FOLDER` writes one: cert.pem and key.pem to sign with, authority.pem to trust.
"""

from __future__ import annotations

import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

DAY = timedelta(days=1)


class Chain(NamedTuple):
    """Files of a signer's certificate (with its issuer's), private key, and the authority's own certificate."""

    certificate: Path
    key: Path
    authority: Path


def make_chain(
    folder: Path,
    *,
    start: timedelta = -DAY,
    end: timedelta = 365 * DAY,
    key: Any = None,
    passphrase: str | None = None,
    for_signing: bool = True,
) -> Chain:
    """A certificate valid from ``start`` to ``end``, seen from now, with the issuer's own; written into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(timezone.utc)
    root_key, key = ec.generate_private_key(ec.SECP256R1()), key or ec.generate_private_key(ec.SECP256R1())
    root = (
        _certificate("Test authority", "Test authority", root_key, now - 999 * DAY, now + 999 * DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    leaf = (
        _certificate("Jane Doe", "Test authority", key, now + start, now + end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage("digital_signature"), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False
        )
    )
    if for_signing:
        purpose = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.EMAIL_PROTECTION])
        leaf = leaf.add_extension(purpose, critical=False)
    signed = leaf.sign(root_key, hashes.SHA256())
    chain = Chain(folder / "cert.pem", folder / "key.pem", folder / "authority.pem")
    chain.certificate.write_bytes(signed.public_bytes(Encoding.PEM) + root.public_bytes(Encoding.PEM))
    cipher = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    chain.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, cipher))
    chain.authority.write_bytes(root.public_bytes(Encoding.PEM))
    return chain


def _certificate(
    subject: str, issuer: str, key: Any, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Example Studio"),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, common),
        ]
    )


def _usage(*purposes: str) -> x509.KeyUsage:
    every = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement "
        "key_cert_sign crl_sign encipher_only decipher_only"
    )
    return x509.KeyUsage(**{name: name in purposes for name in every.split()})


if __name__ == "__main__":
    make_chain(Path(sys.argv[1]))
