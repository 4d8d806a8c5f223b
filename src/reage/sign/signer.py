"""Signs outputs with Content Credentials (C2PA), which record the edit, the original and the signer.

The complete file is signed at the end: changing one byte afterwards makes the signature invalid. Signing does not
change pixels. c2pa-python does the work; see the specification at https://c2pa.org/specifications.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import datetime, timezone
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import cv2
import numpy as np

from reage.errors import SignatureError
from reage.files import writing
from reage.photo.encoding import encode_photo
from reage.photo.photo import Photo, PhotoMeta, eight_bits
from reage.photo.provenance import DIGITAL_SOURCE_TYPE, Provenance

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.x509 import Certificate

MEDIA_TYPES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".gif": "image/gif",
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
}
"""Media types of the files that can be signed, by suffix."""

THUMBNAIL_SIDE = 512
"""Longest side in pixels of the picture of the original that goes into the credentials."""

_ALGORITHMS = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
"""C2PA's names of signatures with elliptic curves, by the curve of the key."""
QUIET = {
    "builder": {"thumbnail": {"enabled": False}},  # ours is smaller, upright, and there for every format
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},  # nothing here goes to the network
}


def c2pa_module() -> Any:
    """The optional ``c2pa``; raises `SignatureError` saying how to install it."""
    try:
        import c2pa
    except ImportError as error:
        raise SignatureError("Content Credentials need c2pa-python: pip install 'reage[sign]'") from error
    return c2pa


@dataclass(frozen=True)
class Signer:
    """A certificate with its private key, checked and ready to sign files; made by `Signer.load`."""

    name: str
    """The name in the certificate."""
    algorithm: str
    """C2PA's name of the kind of signature, ``es256`` for example."""
    chain: bytes = field(repr=False)
    """The certificate and the chain of its issuers, in PEM form."""
    key: bytes = field(repr=False)
    """The private key, not encrypted, in PEM form (PKCS #8)."""

    @classmethod
    def load(
        cls,
        certificate: str | os.PathLike[str],
        key: str | os.PathLike[str],
        *,
        passphrase: str | None = None,
    ) -> Signer:
        """Read a certificate and its private key, and test them.

        Args:
            certificate: a PEM file with the certificate, followed by the chain of its issuers; the root may be left
            out. key: a PEM file with the private key: ECDSA on P-256, P-384 or P-521, Ed25519, or RSA. passphrase: of
            the key, if it is encrypted.

        Raises:
            SignatureError: the files cannot be read or do not belong together, or the certificate is expired, not yet
                valid or not suitable for Content Credentials; or the extra ``sign`` is not installed.
        """
        c2pa_module()
        chain = read_certificates(certificate)
        private = _private_key(key, passphrase)
        _check_pair(chain[0], private, certificate, key)
        signer = cls(_name(chain[0]), _algorithm(private, key), as_pem(chain), _plain_pem(private))
        try:
            signer._try()
        except SignatureError as error:
            raise SignatureError(f"{certificate} cannot sign Content Credentials: {error}") from error
        return signer

    def check_format(self, path: str | os.PathLike[str]) -> None:
        """Raises `SignatureError`, before the work and not after it, if a file called ``path`` cannot be signed."""
        suffix = Path(path).suffix.lower()
        if suffix not in MEDIA_TYPES:
            raise SignatureError(
                f"{path} cannot be signed; Content Credentials work in {', '.join(MEDIA_TYPES)} only"
            )

    def sign(self, file: Path, *, suffix: str, mark: Provenance, original: Photo) -> None:
        """Put Content Credentials into ``file``, in place; whole or not at all.

        They say that ``original`` was opened and then edited as ``mark`` tells. The original becomes the parent
        ingredient, under its file name and with a thumbnail; credentials that its file has are kept within them.

        Args:
            file: what was written, complete, under whatever name.
            suffix: the suffix of its true name, which tells the format.
            mark: the tool, the model, and the ages before and after.
            original: what was opened; ``original.meta.path`` is its file, which may be a video, or None.

        Raises:
            SignatureError: the file cannot be signed.
            WriteError: the signed file cannot be written.
        """
        self.check_format(f"file{suffix}")
        with writing(file) as part, open(file, "rb") as source, open(part, "w+b") as target:
            self._sign(source, target, MEDIA_TYPES[suffix.lower()], mark, original)
            target.flush()
            os.fsync(target.fileno())

    def _try(self) -> None:
        """Sign a grey square, since only c2pa knows all that it asks of a certificate."""
        grey = Photo(np.full((16, 16, 3), 128, np.uint8))
        source = BytesIO(encode_photo(grey, "jpeg", mark=None))
        self._sign(source, BytesIO(), "image/jpeg", Provenance("reage", ""), grey)

    def _sign(
        self, source: BinaryIO, target: BinaryIO, media_type: str, mark: Provenance, original: Photo
    ) -> None:
        c2pa = c2pa_module()
        try:
            context = c2pa.Context(c2pa.Settings.from_dict(QUIET))
            builder = c2pa.Builder(_claim(mark), context)
            builder.set_intent(c2pa.C2paBuilderIntent.EDIT)  # the first step is "opened", of the parent
            _add_parent(builder, original, c2pa.C2paError)
            info = c2pa.C2paSignerInfo(self.algorithm.encode(), self.chain, self.key, None)
            builder.sign(c2pa.Signer.from_info(info), media_type, source, target)
        except c2pa.C2paError as error:
            raise SignatureError(reason(error)) from error


def _claim(mark: Provenance) -> dict[str, Any]:
    """What is claimed of the picture, as c2pa takes it. Names of our own have a prefix, as C2PA asks."""
    tool, _, version = mark.tool.partition(" ")
    agent = {"name": tool, "version": version}
    edited = {
        "action": "c2pa.edited",
        "description": "Faces were made older or younger by a neural network",
        "digitalSourceType": DIGITAL_SOURCE_TYPE,
        "softwareAgent": agent,
        "parameters": {
            "reage.model": mark.model,
            "reage.faces": [{"source_age": before, "target_age": after} for before, after in mark.faces],
            "reage.edits": list(mark.edits),
        },
    }
    actions = {"label": "c2pa.actions", "data": {"actions": [edited]}}
    return {"claim_generator_info": [agent], "assertions": [actions]}


def _add_parent(builder: Any, original: Photo, refused: type[Exception]) -> None:
    """Add the original: from its file, so that credentials in there are kept; else from its thumbnail alone.

    ``refused`` is what c2pa raises for a file that it cannot read.
    """
    path, thumbnail = original.meta.path, _thumbnail(original)
    ingredient = json.dumps(
        {
            "title": path.name if path else "an image in memory",
            "relationship": "parentOf",
            "thumbnail": {"format": "image/jpeg", "identifier": "original.jpg"},
        }
    )
    suffix = path.suffix.lower() if path else ""
    media_type = f"image/{original.meta.format}" if original.meta.format else MEDIA_TYPES.get(suffix)
    try:
        if path is None or media_type not in MEDIA_TYPES.values():
            raise FileNotFoundError
        with open(path, "rb") as file:
            builder.add_ingredient(ingredient, media_type, file)
    except (OSError, refused):
        builder.add_ingredient(ingredient, "image/jpeg", BytesIO(thumbnail))
    builder.add_resource("original.jpg", BytesIO(thumbnail))


def _thumbnail(original: Photo) -> bytes:
    """A small JPEG of the original, upright and in its own colours."""
    scale = THUMBNAIL_SIDE / max(original.width, original.height, THUMBNAIL_SIDE)
    size = max(1, round(original.width * scale)), max(1, round(original.height * scale))
    pixels = cv2.resize(eight_bits(original.pixels), size, interpolation=cv2.INTER_AREA)
    small = Photo(np.asarray(pixels, np.uint8), meta=PhotoMeta(icc=original.meta.icc))
    return encode_photo(small, "jpeg", mark=None, quality=80)


def read_certificates(path: str | os.PathLike[str]) -> list[Certificate]:
    """The certificates in a PEM file; raises `SignatureError` if there are none."""
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(_contents(path))
    except ValueError as error:
        raise SignatureError(f"{path} holds no certificates in PEM form") from error


def _private_key(path: str | os.PathLike[str], passphrase: str | None) -> PrivateKeyTypes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data = _contents(path)
    encrypted = b"ENCRYPTED" in data
    if encrypted and passphrase is None:
        raise SignatureError(f"{path} is encrypted: its passphrase is missing")
    try:
        return load_pem_private_key(data, passphrase.encode() if encrypted and passphrase else None)
    except (ValueError, UnsupportedAlgorithm) as error:
        wrong = "cannot be opened with this passphrase" if encrypted else "holds no private key in PEM form"
        raise SignatureError(f"{path} {wrong}") from error


def _contents(path: str | os.PathLike[str]) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise SignatureError(f"{path} cannot be read: {error.strerror or error}") from error


def _check_pair(
    leaf: Certificate,
    private: PrivateKeyTypes,
    certificate: str | os.PathLike[str],
    key: str | os.PathLike[str],
) -> None:
    if leaf.public_key() != private.public_key():
        raise SignatureError(f"{key} is not the key of the first certificate in {certificate}")
    now = datetime.now(timezone.utc)
    if now > leaf.not_valid_after_utc:
        raise SignatureError(f"{certificate} expired on {leaf.not_valid_after_utc:%Y-%m-%d}")
    if now < leaf.not_valid_before_utc:
        raise SignatureError(f"{certificate} is not valid before {leaf.not_valid_before_utc:%Y-%m-%d}")


def _algorithm(private: PrivateKeyTypes, path: str | os.PathLike[str]) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(private, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(private, rsa.RSAPrivateKey):
        return "ps256"
    if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name in _ALGORITHMS:
        return _ALGORITHMS[private.curve.name]
    raise SignatureError(f"{path}: C2PA signs with keys on P-256, P-384 or P-521, Ed25519, or RSA")


def _name(leaf: Certificate) -> str:
    from cryptography.x509 import NameOID

    names = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else leaf.subject.rfc4514_string()


def as_pem(chain: list[Certificate]) -> bytes:
    """Certificates as a PEM file holds them."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return b"".join(one.public_bytes(Encoding.PEM) for one in chain)


def _plain_pem(private: PrivateKeyTypes) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def reason(error: Exception) -> str:
    """What c2pa says, without its own name of the kind of error."""
    kind, colon, text = str(error).partition(": ")
    return text if colon and kind.isalpha() else str(error)
