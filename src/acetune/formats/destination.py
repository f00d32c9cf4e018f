"""Where exports go and what they are called. No torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from acetune import files
from acetune.adapters.adapter import Facts
from acetune.errors import SettingError

#: Formats that ComfyUI's own LoRA loader reads.
_COMFYUI: Final = ("universal", "comfyui", "comfyui-generic", "kohya", "lycoris")


@dataclass(frozen=True, kw_only=True)
class Destination:
    """What a user says of the files to write.

    Attributes:
        folder: To write into; None for the source's own.
        comfyui: A ComfyUI, whose LoRA loader is to list them; instead of ``folder``.
        release: Whether they are called ``<name>-<variant>-r<rank>``, else ``<name>_<step>steps``.
    """

    folder: Path | None = None
    comfyui: Path | None = None
    release: bool = False

    def place(self, own: Path, formats: Iterable[str]) -> Path:
        """Return the folder to write into.

        Args:
            own: The source's.
            formats: What will be written.

        Raises:
            SettingError: If there is no ComfyUI, or it does not read one of the formats.
        """
        if self.comfyui is None:
            return self.folder or own
        unread = sorted(set(formats) - set(_COMFYUI))
        if unread:
            raise SettingError("formats.not_for_comfyui", formats=", ".join(unread), known=", ".join(_COMFYUI))
        for root in (self.comfyui, self.comfyui / "ComfyUI"):  # the portable build has it one folder down
            if (root / "models").is_dir():
                return root / "models" / "loras"
        raise SettingError("formats.no_comfyui", path=self.comfyui)

    def stem(self, name: str, facts: Facts) -> str:
        """Return the name of the files without their endings.

        Args:
            name: A safe one (`safe_name`).
            facts: Of what is written.
        """
        return f"{name}-{facts.variant}-r{facts.rank}" if self.release else f"{name}_{facts.step}steps"


def safe_name(said: str, otherwise: str) -> str:
    """Return the name that an adapter file says it has; another where that is none, or would leave its folder."""
    try:
        return files.check_name(said, "adapter")
    except SettingError:
        return otherwise
