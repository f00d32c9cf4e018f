"""Which parts a track needs, and by what name they lie in the cache.

The name of a part is a hash of everything it was computed from, so that nothing stale can be read and nothing is
computed twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from acetune import files
from acetune.data.lyric_windows import has_times, lyrics_between
from acetune.data.manifest import Manifest
from acetune.data.split import split
from acetune.data.track import Track
from acetune.data.wordings import MAIN, wordings
from acetune.encoding.cache import Cache
from acetune.encoding.encoded_songs import is_encoded
from acetune.errors import SettingError
from acetune.families.family import ModelFamily, Prompt
from acetune.planning.crops import Cuts, spread
from acetune.recipe import Recipe

#: Stands for a caption form where lyrics of a part of a song are encoded.
WINDOW: Final = "window"
#: Form of the caption that goes with rough music, for which a family has another instruction.
RECODED: Final = "recoded"


@dataclass(frozen=True)
class TrackParts:
    """The parts of one track by cache name.

    Attributes:
        track: The song.
        prompts: Caption form (`acetune.data.wordings`) to the prompt it makes.
        latents: Name of its latents.
        texts: Caption form to name.
        lyrics: Lyrics to name, those of the whole song first; "" where there are none.
        context: Name of its rough version, "" where none is shown.
    """

    track: Track
    prompts: Mapping[str, Prompt]
    latents: str
    texts: Mapping[str, str]
    lyrics: Mapping[str, str]
    context: str = ""

    def lyrics_name(self, lyrics: str | None) -> str:
        """Return the name of these lyrics, of the whole song or of a part of it."""
        return self.lyrics[lyrics or ""]

    def asked(self, kind: str, name: str) -> tuple[str, Prompt]:
        """Return the caption form and the prompt that a text or lyrics of this name are encoded from.

        The form is `WINDOW` for lyrics of a part of the song.
        """
        main = self.prompts[MAIN]
        if kind == "text":
            form = next((form for form, known in self.texts.items() if known == name), MAIN)
            return form, self.prompts.get(form, main)
        lyrics = next(lyrics for lyrics, known in self.lyrics.items() if known == name)
        return (MAIN, main) if lyrics == (main.lyrics or "") else (WINDOW, replace(main, lyrics=lyrics or None))


def parts_of(manifest: Manifest, recipe: Recipe, family: ModelFamily, dtype: str) -> tuple[TrackParts, ...]:
    """Return the parts of every track that is not excluded; lyrics of parts of songs are added by `with_windows`.

    Args:
        manifest: The data set.
        recipe: Its data section is read.
        family: Names the encoders.
        dtype: Number format of the conditions.

    Raises:
        SettingError: If shares of texts are more than 1 together, or rough versions are asked for and cannot be made.
    """
    found = []
    for track in manifest.tracks:
        if track.excluded:
            continue
        texts = wordings(track, manifest.settings, recipe.data)
        prompts = {form: prompt_of(track, text, recipe.data.max_seconds) for form, text in texts.items()}
        parts = _named(track, prompts, recipe, (family.conditions_fingerprint, dtype))
        found.append(_with_context(parts, family, dtype) if recipe.objective.code_share else parts)
    return tuple(found)


def _with_context(parts: TrackParts, family: ModelFamily, dtype: str) -> TrackParts:
    """Return parts with the rough version of their song, and the text that goes with it.

    Raises:
        SettingError: If the family or the checkpoint cannot make one.
    """
    if family.codes_fingerprint is None:
        raise SettingError("encoding.no_codes", variant=family.variant.name)
    encoders = (family.conditions_fingerprint, dtype)
    text = files.hash_of(RECODED, text_name_of(parts.track, parts.prompts[MAIN], encoders))
    context = files.hash_of("context", parts.latents, family.codes_fingerprint, dtype)
    return replace(parts, texts={**parts.texts, RECODED: text}, context=context)


def prompt_of(track: Track, caption: str, max_seconds: float) -> Prompt:
    """Return what a track asks of the network."""
    return Prompt.of(track, caption, max_seconds)


def constants_name(family: ModelFamily, dtype: str) -> str:
    """Return the name of what is the same for every prompt of a checkpoint."""
    return files.hash_of("constants", family.conditions_fingerprint, dtype)


def with_windows(
    parts: Sequence[TrackParts], recipe: Recipe, family: ModelFamily, cache: Cache, dtype: str
) -> tuple[TrackParts, ...]:
    """Return parts with the lyrics of every crop that training and validation may show.

    Args:
        parts: With their latents in the cache.
        recipe: Its data section is read.
        family: Names the encoders.
        cache: Knows how long the songs are.
        dtype: Number format of the conditions.
    """
    if not recipe.data.cut_lyrics:
        return tuple(parts)
    divided = split([p.track for p in parts], recipe.data.holdout, recipe.data.seed)
    held = {track.path for track in divided.validation}
    rate, multiple = family.frames_per_second, family.crop_multiple
    wanted = round(recipe.data.crop_seconds * rate)
    found = []
    for p in parts:
        names = dict(p.lyrics)
        if has_times(p.track):
            frames = cache.rows("latents", p.latents)
            cuts = Cuts.of(frames, wanted, multiple, windows=divided.mode == "windows")
            crops = spread(frames, wanted, multiple) if p.track.path in held else cuts.crops()
            for start, length in crops:
                lyrics = lyrics_between(p.track, start / rate, (start + length) / rate)
                prompt = replace(p.prompts[MAIN], lyrics=lyrics)
                names.setdefault(lyrics or "", lyrics_name_of(p.track, prompt, (family.conditions_fingerprint, dtype)))
        found.append(replace(p, lyrics=names))
    return tuple(found)


def _named(track: Track, prompts: Mapping[str, Prompt], recipe: Recipe, encoders: tuple[str, str]) -> TrackParts:
    """Return the cache names of a track's parts."""
    audio = (track.audio_sha256, recipe.data.max_seconds, recipe.data.normalise)
    texts = {form: text_name_of(track, prompt, encoders) for form, prompt in prompts.items()}
    main = prompts[MAIN]
    return TrackParts(
        track=track,
        prompts=prompts,
        latents=files.hash_of("latents", audio, encoders[0]),
        texts=texts,
        lyrics={main.lyrics or "": lyrics_name_of(track, main, encoders)},
    )


def text_name_of(track: Track, prompt: Prompt, encoders: tuple[str, str]) -> str:
    """Return the cache name of the text of a prompt.

    Args:
        track: Whose prompt it is.
        prompt: Its lyrics do not count.
        encoders: The family's fingerprint of them, and the number format of conditions.
    """
    return files.hash_of("text", vars(replace(prompt, lyrics=None, language=None)), encoders, *_brought(track))


def lyrics_name_of(track: Track, prompt: Prompt, encoders: tuple[str, str]) -> str:
    """Return the cache name of the lyrics of a prompt; see `text_name_of`."""
    return files.hash_of("lyrics", prompt.lyrics, prompt.language, encoders, *_brought(track))


def _brought(track: Track) -> tuple[str | None, ...]:
    """Return what makes conditions a track's own: the file of one that came encoded may bring some."""
    return (track.audio_sha256,) if is_encoded(track) else ()
