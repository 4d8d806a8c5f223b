"""What the page says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reage.bundle import Bundle
from reage.web.service import Limits

TITLE = "reage: a face older or younger"

INTRODUCTION = """# reage
Make a face in a photo older or younger. The result is **an AI edit, not evidence** of how anybody looked or will look.
Use photos of yourself, or of people who agreed."""

NOTHING_OPEN = "Upload a photo, use the webcam, or try a portrait."

CHOOSE_FACE = "**Faces in the photo**, and the age they look: choose one."

PORTRAITS = "**Or try a portrait** (public domain)."

REGIONS = "How much of the edit shows in each part of the face:"

ETHICS = """### What it must not be used for
Not for identification, investigation, or any decision about a person; not for getting around age checks; not to deceive
or harass; not to make children appear adult or adults appear children. Every picture written says in its metadata that
it is AI-edited: leave that in, and say it in a caption."""


def limits(limits: Limits) -> str:
    """What may be uploaded, and what becomes of it."""
    return (
        f"JPEG, PNG, WebP, TIFF, HEIC or BMP, up to {limits.max_upload >> 20} MB and {limits.max_pixels / 1e6:g} "
        f"megapixels. Your file is deleted as soon as it has been opened. The photo stays in this server's memory; it "
        f"and the pictures made of it are forgotten when you leave, or after {limits.seconds / 60:g} minutes without "
        f"use."
    )


def about(bundle: Bundle) -> str:
    """What the model is, what it was trained on, and what it must not be used for: Markdown."""
    manifest = bundle.manifest
    low, high = manifest.target_ages
    facts = [
        f"**{manifest.title}** is a network of the family *{manifest.family}*, with faces of {manifest.size} pixels.",
        f"It was trained on {manifest.data or 'data that its bundle does not name'}.",
        f"It shows ages from {low:g} to {high:g}; others are clamped to these.",
        f"Licence: {manifest.licence or 'not stated'}",
    ]
    return "\n\n".join([" ".join(facts), ETHICS, bundle.card])


def face_label(index: int, age: float) -> str:
    """Of a face's thumbnail; numbers start from 0 as everywhere in reage."""
    return f"{index}: looks {age:.0f}"


def told(changes: Sequence[dict[str, Any]]) -> str:
    """What was done to each face."""
    lines = [
        f"Face {change['index']} looked {change['apparent_before']:.0f}, asked for {change['asked_age']:g}, "
        f"now looks **{change['apparent_after']:.0f}**"
        for change in changes
    ]
    return "  \n".join(lines)
