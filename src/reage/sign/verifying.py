"""Reads the provenance of a file: reage's AI-edited mark, and Content Credentials with their validity."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from reage.errors import PhotoError, SignatureError, printable
from reage.photo.containers import open_source
from reage.photo.provenance import read_provenance
from reage.sign.signer import QUIET, as_pem, c2pa_module, read_certificates, reason

State = Literal["trusted", "valid", "invalid"]
"""``valid``: as signed, but nobody you named vouches for the signer; ``trusted``: somebody does."""

_PROBLEMS = {
    "assertion.dataHash.mismatch": "the file was changed after it was signed",
    "assertion.bmffHash.mismatch": "the file was changed after it was signed",
    "assertion.boxesHash.mismatch": "the file was changed after it was signed",
    "assertion.hashedURI.mismatch": "the credentials were changed after they were signed",
    "claimSignature.mismatch": "the signature does not belong to these credentials",
    "claimSignature.outsideValidity": "the certificate was not valid at the time of signing",
    "signingCredential.expired": "the certificate has expired, and there is no trusted time stamp of the signature",
    "signingCredential.invalid": "the certificate is not suitable for signing Content Credentials",
    "signingCredential.revoked": "the certificate was revoked by its issuer",
}
"""c2pa's failure codes in plain words."""
_UNTRUSTED = "signingCredential.untrusted"
_WORDS = {
    "trusted": "the file is unchanged since it was signed, and an authority that you trust vouches for the signer",
    "valid": "the file is unchanged since it was signed, but no authority in --trust vouches for the signer",
    "invalid": "they cannot be relied on",
}


@dataclass(frozen=True)
class Original:
    """A file that the credentials say was opened, and the problems of its own credentials, if it had any."""

    title: str
    signed: bool
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Credentials:
    """The Content Credentials of a file."""

    state: State
    problems: tuple[str, ...]
    """Why they are invalid."""
    signer: str
    """Whom the certificate names."""
    organisation: str
    steps: tuple[str, ...]
    """The steps of editing, in order."""
    originals: tuple[Original, ...]


@dataclass(frozen=True)
class Statement:
    """The provenance of one file."""

    file: Path
    mark: dict[str, Any] | None
    """As `reage.photo.provenance.read_provenance` gives it."""
    credentials: Credentials | None
    unread: str | None = None
    """Why Content Credentials could not be looked for, or could not be read."""

    @property
    def is_contradicted(self) -> bool:
        """Whether the file was changed after it was signed, or its signature is invalid for another reason."""
        return self.credentials is not None and self.credentials.state == "invalid"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "file": str(self.file)}

    def __str__(self) -> str:
        """For people."""
        lines = [str(self.file), *_mark_lines(self.mark), *_credential_lines(self)]
        # What files say is anybody's text: nothing in it may steer a terminal.
        return "\n  ".join(map(printable, lines))


def verify_file(path: str | os.PathLike[str], *, trust: str | os.PathLike[str] | None = None) -> Statement:
    """Read the provenance of a picture, film or video; nothing is fetched from the network.

    Args:
        path: any file that reage or c2pa reads.
        trust: a PEM file of certificates of the authorities that you trust.

    Raises:
        PhotoError: there is no such file, or it is of a kind in which neither can be read.
        SignatureError: ``trust`` cannot be read.
    """
    path = Path(path)
    mark, unreadable = None, None
    try:
        mark = read_provenance(path)
    except PhotoError as error:  # a file that was tampered with may still have credentials that tell
        unreadable = error
    try:
        c2pa = c2pa_module()
    except SignatureError as error:
        if unreadable:
            raise unreadable from None
        return Statement(path, mark, None, str(error))
    anchors = None if trust is None else as_pem(read_certificates(trust)).decode()
    with open_source(path) as (file, _):
        manifest, unread = _read(c2pa, file, anchors)
    if manifest is None and unreadable:
        raise unreadable
    return Statement(path, mark, None if manifest is None else _credentials(manifest), unread)


def _read(c2pa: Any, file: BinaryIO, anchors: str | None) -> tuple[dict[str, Any] | None, str | None]:
    """c2pa's own account of a file, or None; and why it has none, unless it simply has no credentials."""
    settings = {**QUIET, **({"trust": {"user_anchors": anchors}} if anchors else {})}
    file.seek(0)
    try:
        context = c2pa.Context(c2pa.Settings.from_dict(settings))
        with c2pa.Reader(None, file, context=context) as reader:
            return json.loads(reader.json()), None
    except c2pa.C2paError.ManifestNotFound:
        return None, None
    except c2pa.C2paError.NotSupported:
        return None, "c2pa does not read files of this kind"
    except c2pa.C2paError.RemoteManifest as error:
        return None, f"they are kept elsewhere, and nothing is fetched: {reason(error)}"
    except c2pa.C2paError as error:
        return None, f"they are damaged: {reason(error)}"


def _credentials(store: dict[str, Any]) -> Credentials:
    active = store["manifests"][store["active_manifest"]]
    results = store["validation_results"]
    signature = active.get("signature_info", {})
    return Credentials(
        state=store["validation_state"].lower(),
        problems=_problems(results),
        signer=signature.get("common_name") or "somebody without a name",
        organisation=signature.get("issuer") or "",
        steps=tuple(_step(action, active) for action in _actions(active)),
        originals=tuple(_original(ingredient) for ingredient in active.get("ingredients", [])),
    )


def _problems(results: dict[str, Any]) -> tuple[str, ...]:
    failures = results.get("activeManifest", {}).get("failure", [])
    words = (
        _PROBLEMS.get(failure["code"], failure.get("explanation") or failure["code"])
        for failure in failures
        if failure["code"] != _UNTRUSTED
    )
    return tuple(dict.fromkeys(words))


def _original(ingredient: dict[str, Any]) -> Original:
    results = ingredient.get("validation_results")
    title = ingredient.get("title", "a file without a name")
    return Original(title, "active_manifest" in ingredient, _problems(results or {}))


def _actions(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        action
        for assertion in manifest.get("assertions", [])
        if assertion["label"].startswith("c2pa.actions")
        for action in assertion["data"].get("actions", [])
    ]


def _step(action: dict[str, Any], manifest: dict[str, Any]) -> str:
    name = action.get("action", "").removeprefix("c2pa.")
    if name == "opened" and len(manifest.get("ingredients", [])) == 1:
        return f"opened {manifest['ingredients'][0].get('title', 'a file without a name')}"
    agent = action.get("softwareAgent")
    by = agent if isinstance(agent, str) else " ".join(str(value) for value in (agent or {}).values())
    said, source = action.get("description"), action.get("digitalSourceType", "").rpartition("/")[2]
    parts = (
        str(name),
        f" by {by}" if by else "",
        f": {said}" if said else "",
        f" ({source})" if source else "",
    )
    return "".join(parts)


def _mark_lines(mark: dict[str, Any] | None) -> list[str]:
    if mark is None:
        return ["Mark of reage: none, which proves nothing: a mark is easily removed."]
    faces = ", ".join(f"{face['source_age']:g} to {face['target_age']:g} years" for face in mark["faces"])
    edits = "".join(f", {edit}" for edit in mark["edits"])
    made = f": faces made from {faces}{edits}" if faces else edits
    return [
        f"Mark of reage: AI-edited by {mark['tool']} with {mark['model']}{made}. Anybody can write such a mark."
    ]


def _credential_lines(statement: Statement) -> list[str]:
    found = statement.credentials
    if found is None:
        return [f"Content Credentials: {statement.unread or 'none'}."]
    verdict = "; ".join((_WORDS[found.state], *found.problems))
    organisation = f" ({found.organisation})" if found.organisation else ""
    lines = [f"Content Credentials: {verdict}.", f"Signed by {found.signer}{organisation}."]
    lines += [f"Step {number}: {step}." for number, step in enumerate(found.steps, 1)]
    for original in found.originals:
        if original.problems:
            lines.append(f"Before that, of {original.title}: {'; '.join(original.problems)}.")
        elif original.signed:
            lines.append(f"{original.title} was signed itself, and was as signed when it was opened.")
    return lines
