"""The texts of ACE-Step 1.5, built in one place for training, for generation and for counting. No torch.

Templates, limits and order are those of the official inference handler: caption and metas in one prompt for the text
encoder, lyrics with a language header for the lyric encoder.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from acetune.families.family import Prompt
from acetune.families.tasks import Task

#: Token limits of the official handler.
TEXT_LIMIT, LYRIC_LIMIT = 256, 2048
#: What old trainers kept of the lyrics.
LEGACY_LYRIC_LIMIT: Final = 512

INSTRUCTION: Final = "Fill the audio semantic mask based on the given conditions:"
#: What the other tasks say, without and with the names of parts.
_INSTRUCTIONS: Mapping[str, tuple[str, str]] = MappingProxyType({
    "text2music": (INSTRUCTION, INSTRUCTION),
    "cover": ("Generate audio semantic tokens based on the given conditions:",) * 2,
    "repaint": ("Repaint the mask area based on the given conditions:",) * 2,
    "extract": ("Extract the track from the audio:", "Extract the {} track from the audio:"),
    "lego": ("Generate the track based on the audio context:", "Generate the {} track based on the audio context:"),
    "complete": ("Complete the input track:", "Complete the input track with {}:"),
})  # fmt: skip
INSTRUMENTAL: Final = "[Instrumental]"
#: How every prompt begins, whatever its task.
OPENING: Final = "# Instruction\n"

#: Language codes that the lyric header was trained with.
_CODES = """
    ar az bg bn ca cs da de el en es fa fi fr he hi hr ht hu id is it ja ko la lt ms ne nl no pa pl pt ro ru sa sk sr
    sv sw ta te th tl tr uk ur vi yue zh unknown
"""
LANGUAGES: Final = frozenset(_CODES.split())
#: Beats per minute and metres that the metas were trained with.
TEMPO_RANGE = (30, 300)
METRES = ("2", "3", "4", "6")


def instruction_of(task: Task) -> str:
    """Return what the official handler says where this is asked for."""
    alone, with_names = _INSTRUCTIONS[task.name]
    return with_names.format(" | ".join(name.upper() for name in task.tracks)) if task.tracks else alone


def prompt_text(prompt: Prompt, caption: str | None = None, instruction: str = INSTRUCTION) -> str:
    """Return instruction, caption and metas as the text encoder was trained to read them.

    Args:
        prompt: What is asked for.
        caption: Replaces the prompt's caption (a trimmed one).
        instruction: What the network shall do.
    """
    caption = prompt.caption if caption is None else caption
    return f"{OPENING}{instruction}\n\n# Caption\n{caption}\n\n# Metas\n{metas(prompt)}<|endoftext|>\n"


def metas(prompt: Prompt) -> str:
    """Return the metas block; what is unknown or outside the model's range is N/A."""
    bpm = round(prompt.bpm) if prompt.bpm is not None else 0
    tempo = str(bpm) if TEMPO_RANGE[0] <= bpm <= TEMPO_RANGE[1] else "N/A"
    metre = (prompt.timesignature or "").split("/")[0].strip()
    return (
        f"- bpm: {tempo}\n"
        f"- timesignature: {metre if metre in METRES else 'N/A'}\n"
        f"- keyscale: {(prompt.keyscale or '').strip() or 'N/A'}\n"
        f"- duration: {int(prompt.seconds)} seconds\n"
    )


def lyric_text(prompt: Prompt) -> str:
    """Return the lyrics with their language header; instrumentals have the official marker and no language."""
    lyrics = (prompt.lyrics or "").strip() or INSTRUMENTAL
    language = prompt.language if prompt.language in LANGUAGES and lyrics != INSTRUMENTAL else "unknown"
    return f"# Languages\n{language}\n\n# Lyric\n{lyrics}<|endoftext|>"
