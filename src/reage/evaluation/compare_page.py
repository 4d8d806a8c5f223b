"""Several reports as a single self-contained HTML file, with tables, plots and faces."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template

from reage.errors import ReageError

_TEMPLATE = Path(__file__).with_name("compare.html")
_MEDIA_TYPES = {".png": "image/png", ".jpg": "image/jpeg"}


def render_page(text: str, titles: Sequence[str], folders: Sequence[Path], plots: Path) -> str:
    """The page.

    The sheets of faces drawn by the seed show the same people for every model, so that a slider can uncover one
    model's under another's. Pictures are embedded as they are in the folders, with their marks of AI-edited media.

    Args:
        text: the comparison as Markdown: paragraphs and tables.
        titles: what the models are called.
        folders: those that `reage evaluate` wrote, in the same order.
        plots: a folder with plots of all models together; each hides those of the same name of a single model.

    Raises:
        ReageError: a picture that belongs to a report is missing.
    """
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=escape(f"{', '.join(titles)}: scorecard of reage"),
        figures="\n".join(_block(block) for block in text.strip().split("\n\n")),
        outputs=_outputs(folders, titles),
        plots=_plots(folders, titles, plots),
        worst="\n".join(_worst(folder, title) for folder, title in zip(folders, titles, strict=True)),
    )


def _block(markdown: str) -> str:
    """A table or a paragraph of Markdown as HTML."""
    if not markdown.startswith("|"):
        return f"<p>{_inline(markdown)}</p>"
    head, _, *rows = ([cell.strip() for cell in line[1:-1].split("|")] for line in markdown.splitlines())
    cells = "".join(f'<th scope="col">{_inline(cell)}</th>' for cell in head)
    body = "\n".join(f"<tr>{''.join(f'<td>{_inline(cell)}</td>' for cell in row)}</tr>" for row in rows)
    table = f"<table><thead><tr>{cells}</tr></thead><tbody>\n{body}\n</tbody></table>"
    return f'<div class="wide">{table}</div>'


def _inline(text: str) -> str:
    strong = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", escape(text))
    return re.sub(r"\*(.+?)\*", r"<em>\1</em>", strong)


def _outputs(folders: Sequence[Path], titles: Sequence[str]) -> str:
    sheets = [
        f'<figure class="sheet"><figcaption>{escape(title)}</figcaption>'
        f"{_image(folder / 'sheets' / 'random.jpg', f'Faces edited by {title}')}</figure>"
        for folder, title in zip(folders, titles, strict=True)
    ]
    slider = _slider(titles) if len(titles) > 1 else ""
    note = "<p>Faces drawn by the seed, not picked; the columns are the ages asked for.</p>"
    return "\n".join([note, slider, *sheets])


def _slider(titles: Sequence[str]) -> str:
    """Two outputs over each other; it stays hidden where scripts do not run."""
    options = "".join(f"<option>{escape(title)}</option>" for title in titles)
    return (
        '<div class="slider" hidden><div class="controls">'
        f'<select aria-label="Model on the left">{options}</select>'
        '<input type="range" min="0" max="100" value="50" step="0.1" aria-label="How much of the left is shown">'
        f'<select aria-label="Model on the right">{options}</select></div>'
        '<div class="stack"><img alt="Faces edited by the model on the left">'
        '<img alt="Faces edited by the model on the right"></div></div>'
    )


def _plots(folders: Sequence[Path], titles: Sequence[str], together: Path) -> str:
    common = sorted(together.glob("*.png"))
    figures = [_figure(plot, f"All models: {plot.stem}") for plot in common]
    for folder, title in zip(folders, titles, strict=True):
        for plot in sorted((folder / "plots").glob("*.png")):
            if plot.name not in [other.name for other in common]:
                figures.append(_figure(plot, f"{title}: {plot.stem}"))
    return "\n".join(figures)


def _worst(folder: Path, title: str) -> str:
    sheets = [
        f"<h3>{escape(sheet.stem.replace('-', ' '))}</h3>{_image(sheet, f'{title}: {sheet.stem}')}"
        for sheet in sorted((folder / "sheets").glob("worst-*.jpg"))
    ]
    return f"<details><summary>{escape(title)}</summary>{''.join(sheets)}</details>"


def _figure(path: Path, caption: str) -> str:
    return f"<figure><figcaption>{escape(caption)}</figcaption>{_image(path, caption)}</figure>"


def _image(path: Path, alt: str) -> str:
    try:
        data = b64encode(path.read_bytes()).decode()
    except OSError as error:
        raise ReageError(f"{path} cannot be read: {error.strerror or error}") from error
    return f'<img alt="{escape(alt)}" src="data:{_MEDIA_TYPES[path.suffix]};base64,{data}">'
