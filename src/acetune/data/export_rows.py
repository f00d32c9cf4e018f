"""Data sets as other trainers keep them in one place: rows of ACE-Step v1, and the official ``dataset.json`` of 1.5."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from acetune.data.export_layouts import INSTRUMENTAL, lyrics_of, whole_bpm
from acetune.data.fields import read_tags
from acetune.data.manifest import Manifest
from acetune.data.track import Track
from acetune.events import Json
from acetune.files import hash_of

#: From a song to the path that a row names it by.
Place = Callable[[Track], str]
_ID_CHARACTERS = 8
_KEY_CHARACTERS = 6


def place_from(manifest: Manifest, folder: Path, *, absolute: bool) -> Place:
    """Return how rows in a folder name the songs: by their way from there, or by whole paths.

    Args:
        manifest: The data set.
        folder: Where the rows will be; on another drive only whole paths lead to the songs.
        absolute: Name whole paths, which tell where this machine keeps things.
    """

    def place(track: Track) -> str:
        audio = manifest.audio(track).resolve()
        if absolute or audio.drive != folder.resolve().drive:
            return audio.as_posix()
        return Path(os.path.relpath(audio, folder.resolve())).as_posix()

    return place


def v1_row(track: Track, place: Place) -> dict[str, Json]:
    """Return a row of ACE-Step v1's Hugging Face data set (spec ace-step-v1 6.1).

    A song without tags is tagged by its caption, as v1's own converter does; a caption beside tags is a recaption.
    """
    captions: dict[str, Json] = dict(track.recaption or {})
    if track.tags and track.caption:
        captions["caption"] = track.caption
    speaker = track.extra.get("speaker_emb_path")
    return {
        "keys": f"{Path(track.path).stem}-{hash_of(track.path)[:_KEY_CHARACTERS]}",
        "filename": place(track),
        "tags": list(track.tags or read_tags(track.caption or "")),
        "speaker_emb_path": speaker if isinstance(speaker, str) else "",
        "norm_lyrics": lyrics_of(track, INSTRUMENTAL.lower()) or "",
        "recaption": captions,
    }


def official_set(manifest: Manifest, place: Place) -> dict[str, Json]:
    """Return the official ``dataset.json`` of ACE-Step 1.5 (spec ace-step-1.5 6.1)."""
    settings = manifest.settings
    return {
        "metadata": {
            "name": settings.name,
            "custom_tag": settings.trigger or "",
            "tag_position": settings.trigger_position,
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "num_samples": len(manifest.tracks),
            "all_instrumental": all(track.instrumental is True for track in manifest.tracks),
            "genre_ratio": 0,
        },
        "samples": [official_row(track, place) for track in manifest.tracks],
    }


def official_row(track: Track, place: Place) -> dict[str, Json]:
    """Return a sample of the official ``dataset.json``; what is missing has that trainer's word for it.

    A song that nothing is known of counts as not labelled, so that its default values say nothing.
    """
    known = (track.caption, track.genre, track.lyrics, track.instrumental)
    return {
        "id": hash_of(track.path)[:_ID_CHARACTERS],
        "audio_path": place(track),
        "filename": Path(track.path).name,
        "caption": track.caption or "",
        "genre": track.genre or "",
        "lyrics": lyrics_of(track, INSTRUMENTAL) or "",
        "raw_lyrics": track.lyrics or "",
        "formatted_lyrics": "",
        "bpm": whole_bpm(track),
        "keyscale": track.keyscale or "",
        "timesignature": track.timesignature or "",
        "duration": round(track.seconds),
        "language": track.language or "unknown",
        "is_instrumental": track.instrumental,
        "custom_tag": track.trigger or "",
        "labeled": any(value is not None for value in known),
        "prompt_override": track.extra.get("prompt_override"),
    }
