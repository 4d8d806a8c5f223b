"""Contact sheets: a grid of pictures with labels, for people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from reage.arrays import UInt8
from reage.files import writing
from reage.photo.photo import Photo


def draw_sheet(cells: UInt8, rows: list[str] | None = None, columns: list[str] | None = None) -> Image.Image:
    """A grid (rows, columns, H, W, 3) uint8 as one picture; labels stand left of rows and above columns."""
    count_rows, count_columns, height, width = cells.shape[:4]
    font: Any = ImageFont.load_default(size=max(11, width // 9))
    gap = max(2, width // 64)
    top = round(font.size * 1.8) if columns else gap
    left = round(max((font.getlength(label) for label in rows), default=0) + font.size) if rows else gap
    size = (left + count_columns * (width + gap), top + count_rows * (height + gap))
    sheet = Image.new("RGB", size, (250, 250, 250))
    pen = ImageDraw.Draw(sheet)
    for r in range(count_rows):
        y = top + r * (height + gap)
        if rows:
            pen.text((left / 2, y + height / 2), rows[r], (40, 40, 40), font, anchor="mm")
        for c in range(count_columns):
            sheet.paste(Image.fromarray(cells[r, c]), (left + c * (width + gap), y))
    for c, label in enumerate(columns or []):
        pen.text((left + c * (width + gap) + width / 2, top / 2), label, (40, 40, 40), font, anchor="mm")
    return sheet


def save_sheet(
    cells: UInt8, path: Path, rows: list[str] | None = None, columns: list[str] | None = None
) -> None:
    """Write `draw_sheet` to ``path`` as PNG, whole or not at all."""
    with writing(path) as part:
        draw_sheet(cells, rows, columns).save(part, format="PNG")


def sheet_photo(cells: UInt8, rows: list[str] | None = None, columns: list[str] | None = None) -> Photo:
    """`draw_sheet` as a photo, to be written with a mark of provenance."""
    return Photo(np.asarray(draw_sheet(cells, rows, columns)))
