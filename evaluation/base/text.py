"""Words made safe for what they are printed in: Markdown and LaTeX. (HTML: Jinja escapes; figures: no mathtext.)"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

NOTHING = "–"  # a cell without a value

_TEX = {"\\": r"\textbackslash{}", "±": r"$\pm$", "×": r"$\times$", "–": "--", "≤": r"$\leq$", "σ": r"$\sigma$"}
_TEX |= {"é": r"\'e", "−": "$-$", "[": "{[}", "]": "{]}", "<": "$<$", ">": "$>$", "→": r"$\to$"}  # \\[ starts an option
_TEX |= {"^": r"\textasciicircum{}", "~": r"\textasciitilde{}", '"': "''"}
_TEX |= {character: f"\\{character}" for character in "&%$#_{}"}


def tex(text: str) -> str:
    """Text for LaTeX."""
    return "".join(_TEX.get(character, character) for character in text)


def markdown(text: str) -> str:
    """Words (a label, a title) for Markdown, where they mean themselves."""
    return re.sub(r"([\\`*<>|~$]|\](?=\()|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))", r"\\\1", text)


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: bool = True) -> str:
    """A Markdown table of cells that are Markdown already, but for bars: first column left, the others right where they
    hold numbers."""
    import pandas as pd

    cells = [[str(cell).replace("\n", " ") for cell in row] for row in rows]
    barred = [[re.sub(r"(?<!\\)\|", r"\\|", cell) for cell in row] for row in cells]
    frame = pd.DataFrame(barred, columns=list(columns), dtype=object)
    align = ["left", *["right" if numbers else "left"] * (len(columns) - 1)]
    return frame.to_markdown(index=False, tablefmt="pipe", disable_numparse=True, colalign=align)
