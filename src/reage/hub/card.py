"""The metadata that the Hugging Face Hub reads: the YAML at the head of a model card.

See https://huggingface.co/docs/hub/model-cards for the fields.
"""

from __future__ import annotations

import re
from typing import Any

from reage.manifest import Manifest

TASK = "image-to-image"
"""What the model does, in the Hub's words."""
_FIGURES = {
    "age_error": "Mean absolute error between the age asked for and the apparent age, in years",
    "slope": "Years that the apparent age changes for each year asked for",
    "same_person": "Share of outputs that an identity network takes for the person in the photo",
    "kid_lite0": "Kernel distance (KID) of Lite0 features between outputs and real faces",
}
"""Names of the scorecard's figures, in words."""


def front_matter(manifest: Manifest) -> str:
    """The YAML block of ``README.md``, between its lines ``---``; needs huggingface_hub.

    The licence is ``other`` under a name made of the manifest's first sentence, since none of the Hub's list is meant;
    ``datasets`` is the first word of the manifest's ``data``; ``model-index`` has the figures of its scorecard.
    """
    from huggingface_hub import ModelCardData

    results = _results(manifest)
    data = ModelCardData(
        license="other",
        license_name=_slug(re.split(r"[.;]\s", manifest.licence)[0]) or "see-the-model-card",
        library_name="reage",
        pipeline_tag=TASK,
        tags=["face-aging", "onnx", manifest.family],
        datasets=_first_word(manifest.data) or None,
        metrics=[result.metric_type for result in results] or None,
        model_name=manifest.title,
        eval_results=results or None,
    )
    return f"---\n{data.to_yaml()}\n---\n"


def _results(manifest: Manifest) -> list[Any]:
    from huggingface_hub import EvalResult

    scorecard = manifest.figures.get("scorecard")
    if not isinstance(scorecard, dict):
        return []
    data = str(scorecard.get("data") or manifest.data)
    return [
        EvalResult(
            task_type=TASK,
            dataset_type=_first_word(data) or "unknown",
            dataset_name=data,
            metric_type=key,
            metric_name=_FIGURES[key],
            metric_value=scorecard[key],
        )
        for key in _FIGURES
        if isinstance(scorecard.get(key), int | float)
    ]


def _slug(text: str) -> str:
    """``text`` as the Hub's ids are: small letters, figures and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:80].strip("-")


def _first_word(text: str) -> str:
    found = re.match(r"[\w.-]+", text, re.ASCII)
    return found[0] if found else ""
