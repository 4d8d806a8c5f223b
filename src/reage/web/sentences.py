"""Whatever goes wrong is told in one sentence: to visitors of the page, and to programs that use its HTTP interface."""

from __future__ import annotations

import logging
from typing import Any

import gradio as gr
from gradio.exceptions import Error, InvalidPathError
from pydantic import ValidationError

from reage.errors import ReageError

UNEXPECTED = (
    "Something went wrong on this server, and is written in its log; try again, or try another photo."
)
BUSY = "Too many people are using this page at the moment; try again in a few seconds."
_NOT_UPLOADED = "This file is not here: upload it first, and name it by the path that the upload answers."
_NO_FILE = (
    'A photo is named as {"path": "…", "meta": {"_type": "gradio.FileData"}}, by the path of its upload.'
)
_TOO_FEW = "didn't receive enough input values"
"""Part of what Gradio raises for a request to its queue that lacks values."""


class Blocks(gr.Blocks):
    """Gradio's page; every error that one of its events ends in becomes a sentence for the visitor."""

    async def process_api(self, *arguments: Any, **named: Any) -> dict[str, Any]:
        """Answer an event as Gradio does; whatever fails raises `gradio.exceptions.Error` with a sentence."""
        try:
            return await super().process_api(*arguments, **named)
        except Error:
            raise
        except Exception as error:
            raise Error(explain(error), print_exception=False) from error


def explain(error: Exception) -> str:
    """One sentence for the visitor about ``error``; what no visitor can have caused is logged in full."""
    if isinstance(error, ReageError):
        return sentence(error)
    if isinstance(error, InvalidPathError):
        return _NOT_UPLOADED
    if isinstance(error, ValidationError):
        return _NO_FILE
    if isinstance(error, ValueError) and _TOO_FEW in str(error):
        return "This request has fewer values than it needs."
    logging.getLogger(__name__).error("an event ended in an error", exc_info=error)
    return UNEXPECTED


def sentence(error: ReageError) -> str:
    """The text of ``error`` with a full stop, and a capital letter unless it starts with the name of a file."""
    first, space, rest = str(error).partition(" ")
    return f"{first.capitalize() if first.isalpha() else first}{space}{rest}."
