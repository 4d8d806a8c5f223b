"""Contact sheets: pictures in a grid, with labels beside the rows and above the columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from reage.arrays import UInt8
from reage.files import writing
from reage.photo.photo import Photo


def draw_sheet(cells: UInt8, rows: list[str] | None = None, columns: list[str] | None = None) -> Image.Image:
    """Draw pictures in a grid.

    Args:
        cells: (R, C, H, W, 3), sRGB, pictures of H by W pixels in R rows and C columns.
        rows: R labels, which stand left of the rows; None for none.
        columns: C labels, which stand above the columns; None for none.

    Example:
        >>> import numpy as np
        >>> draw_sheet(np.zeros((1, 2, 64, 64, 3), np.uint8), columns=["before", "after"]).size
        (134, 86)
    """
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
    """Draw a sheet (`draw_sheet`) and write it to ``path`` as PNG.

    Raises:
        WriteError: the file cannot be written; nothing of it is left, and an earlier one stays as it was.
    """
    with writing(path) as part:
        draw_sheet(cells, rows, columns).save(part, format="PNG")


def sheet_photo(cells: UInt8, rows: list[str] | None = None, columns: list[str] | None = None) -> Photo:
    """Draw a sheet (`draw_sheet`) as a photo, to be written with a mark that tells how it was made."""
    return Photo(np.asarray(draw_sheet(cells, rows, columns)))
