"""Which parts a track needs, and by what name they lie in the cache.

The name of a part is a hash of everything it was computed from, so that nothing stale can be read and nothing is
computed twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from acetune import files
from acetune.data.manifest import Manifest
from acetune.data.track import Track
from acetune.data.wordings import MAIN, wordings
from acetune.encoding.encoded_songs import is_encoded
from acetune.families.family import ModelFamily, Prompt
from acetune.recipe import Recipe


@dataclass(frozen=True)
class TrackParts:
    """The parts of one track by cache name.

    Attributes:
        track: The song.
        prompts: Caption form (`acetune.data.wordings`) to the prompt it makes.
        latents: Name of its latents.
        texts: Caption form to name.
        lyrics: Name of its lyrics.
    """

    track: Track
    prompts: Mapping[str, Prompt]
    latents: str
    texts: Mapping[str, str]
    lyrics: str


def parts_of(manifest: Manifest, recipe: Recipe, family: ModelFamily, dtype: str) -> tuple[TrackParts, ...]:
    """Return the parts of every track that is not excluded.

    Args:
        manifest: The data set.
        recipe: Its data section is read.
        family: Names the encoders.
        dtype: Number format of the conditions.
    """
    found = []
    for track in manifest.tracks:
        if track.excluded:
            continue
        texts = wordings(track, manifest.settings, recipe.data)
        prompts = {form: prompt_of(track, text, recipe.data.max_seconds) for form, text in texts.items()}
        found.append(_named(track, prompts, recipe, (family.conditions_fingerprint, dtype)))
    return tuple(found)


def prompt_of(track: Track, caption: str, max_seconds: float) -> Prompt:
    """Return what a track asks of the network."""
    return Prompt.of(track, caption, max_seconds)


def constants_name(family: ModelFamily, dtype: str) -> str:
    """Return the name of what is the same for every prompt of a checkpoint."""
    return files.hash_of("constants", family.conditions_fingerprint, dtype)


def _named(track: Track, prompts: Mapping[str, Prompt], recipe: Recipe, encoders: tuple[str, str]) -> TrackParts:
    """Return the cache names of a track's parts."""
    audio = (track.audio_sha256, recipe.data.max_seconds, recipe.data.normalise)
    brought = (track.audio_sha256,) if is_encoded(track) else ()  # it may bring conditions of its own
    texts = {
        form: files.hash_of("text", vars(replace(prompt, lyrics=None, language=None)), encoders, *brought)
        for form, prompt in prompts.items()
    }
    main = prompts[MAIN]
    return TrackParts(
        track=track,
        prompts=prompts,
        latents=files.hash_of("latents", audio, encoders[0]),
        texts=texts,
        lyrics=files.hash_of("lyrics", main.lyrics, main.language, encoders, *brought),
    )
