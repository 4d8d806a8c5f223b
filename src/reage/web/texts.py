"""Everything that the page says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reage.bundle import Bundle
from reage.face.sureness import doubts_in_words
from reage.result import FaceChange, SittingFace
from reage.web.service import Limits

TITLE = "reage: a face older or younger"

INTRODUCTION = """# reage
Make a face in a photo older or younger. The result is **an AI edit, not evidence** of how anybody looked or will look.
Use photos of yourself, or of people who agreed."""

NOTHING_OPEN = "Upload a photo, use the webcam, or try a portrait."

PORTRAITS = "**Or try a portrait** (public domain)."

NO_ANSWER = "The page does not answer; move the slider again in a moment."

BEFORE = "The photo as it is"
PICTURE = "The photo before and after, AI-edited"
STRIP = "Life strip, AI-edited"
FILM = "Film, AI-edited"

UNCHANGED = "Unchanged"
YOUNGER = "Younger"
OLDER = "Older"

WAYS = {YOUNGER: "old2young", OLDER: "young2old"}
"""The same, of a model that knows only directions."""

UNDO = "Undo"
REDO = "Redo"
SHARE = "Share or copy"
SHARED = "AI-edited with reage"
COPIED = "Copied"
NEITHER = "Not in this browser"
NOTHING_TO_SHARE = "No photo is open"

WHOLE = "the whole photo"
NEAR = "the chosen face"
SLIDER = "with a slider"
BESIDE = "side by side"

AS_IT_LOOKS = "as the face looks"

REGIONS = "Strength of the edit in each part of the face:"

ETHICS = """### What it must not be used for
Do not use it to identify or investigate people, or for any decision about a person; to get around age checks; to
deceive or harass; or to make children appear adult or adults appear children. Every picture written says in its
metadata that it is AI-edited: leave that in, and say it in a caption."""


def limits(limits: Limits) -> str:
    """What may be uploaded, and what becomes of it."""
    return (
        f"JPEG, PNG, WebP, TIFF, HEIC or BMP, up to {limits.max_upload >> 20} MB and {limits.max_pixels / 1e6:g} "
        f"megapixels. Your file is deleted as soon as it has been opened. The photo stays in this server's memory; it "
        f"and the pictures made of it are forgotten when you leave, or after {limits.seconds / 60:g} minutes without "
        f"use."
    )


def about(bundle: Bundle) -> str:
    """What the model is, what it was trained on, and what it must not be used for, in Markdown."""
    manifest = bundle.manifest
    low, high = manifest.target_ages
    facts = [
        f"**{manifest.title}** is a network of the family *{manifest.family}*, for faces of {manifest.size} pixels.",
        f"It was trained on {manifest.data or 'data that its bundle does not name'}.",
        f"It can show ages from {low:g} to {high:g}; for others it shows the nearest of these."
        if not manifest.full_ages
        else f"It knows no ages but two directions, {' and '.join(WAYS.values())}; nearer ages get a part of the edit.",
        f"Licence: {manifest.licence or 'not stated'}",
    ]
    return "\n\n".join([" ".join(facts), ETHICS, bundle.card])


def people(faces: Sequence[SittingFace]) -> str:
    """What stands above the thumbnails of the faces, with a line for each whose age may be misread."""
    count = len(faces)
    lines = [
        "**The face in the photo**, and the age it looks."
        if count == 1
        else f"**The {count} faces in the photo**, and the age they look. Choose one to change; each keeps its own "
        "age."
    ]
    for face in faces:
        if face.sureness.doubts:
            whose = f"The age of person {face.index + 1}" if count > 1 else "The age"
            lines.append(
                f"{whose} may be misread, since {doubts_in_words(face.sureness.doubts)}: *Age in the photo*, under "
                "*More settings*, says it."
            )
    return "\n\n".join(lines)


def waiting(count: int) -> str:
    """What the button for the next of ``count`` photos says."""
    return "Next photo" if count == 1 else f"Next photo ({count} more)"


def thumbnail(index: int, age: float, *, of: int) -> str:
    """Caption of the face ``index`` of ``of`` faces, which looks ``age`` years old.

    The page counts people from 1, unlike the command line and the HTTP interface, which index faces from 0.
    """
    return f"{index + 1}: looks {age:.0f}" if of > 1 else f"looks {age:.0f}"


def result(changes: Iterable[FaceChange], *, of: int) -> str:
    """What was done to each changed face of ``of`` faces, in Markdown."""
    lines = []
    for change in changes:
        who = f"Person {change.face.index + 1}: looked" if of > 1 else "Looked"
        lines.append(
            f"{who} {change.face.apparent_age:.0f}, asked for {change.asked_age:g}, "
            f"looks **{change.apparent_after:.0f}** now."
        )
    return "  \n".join(lines) or "Nothing is changed: choose another age."
