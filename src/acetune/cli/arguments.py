"""Arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from acetune.errors import SettingError

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder that holds the songs.", show_default=False)]
Dataset = Annotated[
    Path | None,
    typer.Argument(
        metavar="DATASET", help="Folder of scanned songs; in place of data.dataset of the recipe.", show_default=False
    ),
]
Config = Annotated[
    Path | None, typer.Option("--config", "-c", help="Recipe file (YAML) with knobs.", show_default=False)
]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="Name or folder of a run.", show_default=False)]
Name = Annotated[str | None, typer.Option("--name", help="Name of the run; else one is made up.", show_default=False)]


def text_or_file(text: str) -> str:
    """Return a text, read from a file where it names one.

    Raises:
        SettingError: If it names a text file that is not there.
    """
    if "\n" in text or not text.endswith((".txt", ".lrc")):
        return text
    if not Path(text).is_file():
        raise SettingError("cli.no_text", path=text)
    return Path(text).read_text(encoding="utf-8-sig")
