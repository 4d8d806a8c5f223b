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
    font: Any = ImageFont.load_default(size=_font_size(width))
    gap = _gap(width)
    top = _top(width) if columns else gap
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


def cut_sheet(sheet: UInt8, rows: int, columns: int) -> UInt8:
    """The pictures of a sheet with labels at its rows and columns, whose pictures are square.

    Args:
        sheet: (H, W, 3), as `draw_sheet` draws it.
        rows: how many rows of pictures it has; R.
        columns: how many columns; C.

    Returns:
        (R, C, S, S, 3).

    Raises:
        ValueError: it is no such sheet.

    Example:
        >>> import numpy as np
        >>> cells = np.random.default_rng(0).integers(0, 255, (2, 3, 64, 64, 3), np.uint8)
        >>> sheet = np.asarray(draw_sheet(cells, ["a", "b"], ["1", "2", "3"]))
        >>> bool((cut_sheet(sheet, 2, 3) == cells).all())
        True
    """
    height, width = sheet.shape[:2]
    sides = [side for side in range(8, height) if _top(side) + rows * (side + _gap(side)) == height]
    if not sides or width <= columns * (sides[0] + _gap(sides[0])):
        raise ValueError(f"it is no sheet of {rows} rows and {columns} columns")
    side, gap = sides[0], _gap(sides[0])
    top, left = _top(side), width - columns * (side + gap)
    cells = [
        [sheet[y : y + side, x : x + side] for x in range(left, left + columns * (side + gap), side + gap)]
        for y in range(top, top + rows * (side + gap), side + gap)
    ]
    return np.asarray(cells, np.uint8)


def _font_size(width: int) -> int:
    return max(11, width // 9)


def _gap(width: int) -> int:
    return max(2, width // 64)


def _top(width: int) -> int:
    """Height of the labels above the columns."""
    return round(_font_size(width) * 1.8)


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
