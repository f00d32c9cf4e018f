"""The verb `encode`: songs to latents and prompts to conditions, once; later runs only do what is new."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from acetune import compute
from acetune.audio import files as audio_files
from acetune.audio import signal
from acetune.audio.signal import Samples
from acetune.data import manifest as manifests
from acetune.data.manifest import Manifest
from acetune.data.sound_checks import SILENT_SHARE
from acetune.data.track import Skipped, Track
from acetune.encoding import uses
from acetune.encoding.adoption import Adoption, latents_of
from acetune.encoding.cache import Cache
from acetune.encoding.contexts import encode_contexts, missing_contexts
from acetune.encoding.encoded_songs import is_encoded
from acetune.encoding.parts import RECODED, WINDOW, TrackParts, constants_name, parts_of, with_windows
from acetune.errors import DataError, SettingError
from acetune.events import Job, Progress, StageEnded, StageStarted
from acetune.families.conditioner import Conditioner
from acetune.families.family import ModelFamily, Part, Prompt
from acetune.families.tasks import COVER
from acetune.files import content_hash
from acetune.recipe import Recipe, family_of
from acetune.workspace import Workspace

if TYPE_CHECKING:
    from torch import Tensor

#: What the encoders work at.
RATE_HZ = 48_000


@dataclass(frozen=True)
class EncodeResult:
    """What encoding did: parts written now, parts found in the cache, tracks left out, bytes written."""

    encoded: int
    reused: int
    skipped: tuple[Skipped, ...]
    bytes: int


@dataclass(frozen=True)
class EncodedSet:
    """A data set with every part in the cache; `prior` are clips of the base network (`acetune.training.prior`)."""

    manifest: Manifest
    parts: tuple[TrackParts, ...]
    constants: str
    cache: Cache
    prior: tuple[TrackParts, ...] = ()


def encode(recipe: Recipe, *, home: str | Path | None = None, job: Job | None = None) -> EncodeResult:
    """Encode a data set for a variant; what is in the cache already is not touched.

    Args:
        recipe: Its model, data, compute and family sections are read.
        home: Workspace folder.
        job: Hears the progress; can stop between tracks.

    Raises:
        DataError: If no track could be encoded.
        MissingDependency: If the weights are not here and may not be fetched.
        Stopped: If asked to; what is done stays.
    """
    job = job or Job()
    workspace = Workspace.at(home)
    card, _ = family_of(recipe.model.variant)
    manifest = load_dataset(recipe)
    workspace.remember(manifest.folder)
    family: ModelFamily = card.open(recipe, workspace.models, job)
    return encode_set(manifest, recipe, family, Cache(workspace.cache), job)[1]


def load_dataset(recipe: Recipe) -> Manifest:
    """Return the manifest of the recipe's data set.

    Raises:
        SettingError: If the recipe names none.
        DataError: If it was not scanned, or every track is excluded.
    """
    if not recipe.data.dataset:
        raise SettingError("encoding.no_dataset")
    manifest = manifests.load(recipe.data.folder)
    if all(track.excluded for track in manifest.tracks):
        raise DataError("encoding.no_tracks", folder=manifest.folder)
    return manifest


def encode_set(
    manifest: Manifest, recipe: Recipe, family: ModelFamily, cache: Cache, job: Job
) -> tuple[EncodedSet, EncodeResult]:
    """Encode what is missing and return the set with its parts (raises as `encode`)."""
    dtype = _dtype(recipe)
    parts = parts_of(manifest, recipe, family, dtype)
    constants = constants_name(family, dtype)
    uses.record(cache, parts)
    total = len(_missing_songs(parts, cache)) + len(_missing_prompts(parts, constants, cache))
    job.report(StageStarted(stage="encode", total=total, unit="parts"))
    counter = _Counter(job, cache, total)
    skipped = _encode_songs(parts, manifest, recipe, family, counter)
    left = tuple(p for p in parts if cache.has("latents", p.latents))
    rough = missing_contexts(left, cache)
    counter.total += len(rough)
    encode_contexts(rough, family, cache, compute.device(recipe.compute.device), counter.write)
    left, dropped = _encode_conditions(left, manifest, recipe, family, counter)
    skipped += dropped
    if not left:
        raise DataError("encoding.none_left", count=len(parts), reason=skipped[0].reason)
    result = EncodeResult(counter.written, max(_count(left) - counter.written, 0), skipped, counter.bytes)
    job.report(StageEnded(stage="encode", result={"tracks": len(left), "skipped": len(skipped), "bytes": result.bytes}))
    return EncodedSet(manifest, left, constants, cache), result


def _dtype(recipe: Recipe) -> str:
    """Return the number format of the conditions."""
    return str(compute.dtype("auto", compute.device(recipe.compute.device)))


class _Counter:
    """Writes parts and reports how far the stage is."""

    def __init__(self, job: Job, cache: Cache, total: int) -> None:
        self.job, self.cache, self.total = job, cache, total
        self.done = self.written = self.bytes = 0

    def write(self, kind: str, name: str, tensors: Mapping[str, Tensor], item: str) -> None:
        """Add a part to the cache and count it."""
        self.cache.write(kind, name, tensors)
        self.written += 1
        self.bytes += self.cache.path(kind, name).stat().st_size
        self.advance(item)

    def skip(self, p: TrackParts, error: DataError) -> None:
        """Say why a track is left out and count its part as done."""
        self.job.tell(error, subject=p.track.path)
        self.advance(p.track.path)

    def advance(self, item: str) -> None:
        """Count one part and stop if asked to."""
        self.done += 1
        self.job.report(Progress(stage="encode", done=self.done, total=self.total, item=item))
        self.job.check_stop("encode")


def _missing_songs(parts: Iterable[TrackParts], cache: Cache) -> tuple[TrackParts, ...]:
    """Return one track for each latents part that is not in the cache."""
    missing = {p.latents: p for p in parts if not cache.has("latents", p.latents)}
    return tuple(missing.values())


def _count(parts: Iterable[TrackParts]) -> int:
    """Return how many parts a data set has, shared ones counted once."""
    parts = tuple(parts)
    return (
        len({name for p in parts for name in (p.latents, p.context, *p.texts.values(), *p.lyrics.values()) if name}) + 1
    )


def _missing_prompts(
    parts: Iterable[TrackParts], constants: str, cache: Cache
) -> dict[tuple[str, str], TrackParts | None]:
    """Return (kind, name) of condition parts that are not in the cache, with a track that needs each."""
    wanted: dict[tuple[str, str], TrackParts | None] = {("constants", constants): None}
    for p in parts:
        wanted.update({("text", name): p for name in p.texts.values()})
        wanted.update({("lyrics", name): p for name in p.lyrics.values()})
    return {place: p for place, p in wanted.items() if not cache.has(*place)}


def _encode_songs(
    parts: tuple[TrackParts, ...], manifest: Manifest, recipe: Recipe, family: ModelFamily, counter: _Counter
) -> tuple[Skipped, ...]:
    """Encode the audio of tracks; a track that cannot be read is left out with its reason."""
    songs = _missing_songs(parts, counter.cache)
    device = compute.device(recipe.compute.device)
    codec = None if all(is_encoded(p.track) for p in songs) else family.load_codec(device)
    skipped = []
    for p in songs:
        try:
            if is_encoded(p.track):
                latents = latents_of(p, manifest, recipe, family)
            else:
                assert codec is not None
                mean, std = codec.encode(_audio(manifest.audio(p.track), p.track, recipe))
                latents = {"mean": mean, "std": std}
            counter.write("latents", p.latents, latents, p.track.path)
        except DataError as error:
            same = [q.track.path for q in parts if q.latents == p.latents]
            skipped += [Skipped(path, error.code, error.message()) for path in same]
            counter.skip(p, error)
    compute.release(device)
    if recipe.data.normalise != "none" and any(is_encoded(p.track) for p in songs):
        counter.job.tell(DataError("tensors.not_normalised"))
    return tuple(skipped)


def _audio(path: Path, track: Track, recipe: Recipe) -> Samples:
    """Return the audio of a track as the encoder wants it.

    Raises:
        DataError: If it cannot be read, is silent, or is not what was scanned.
    """
    if path.is_file() and content_hash(path) != track.audio_sha256:
        raise DataError("encoding.changed", path=track.path)
    audio = audio_files.read(path, rate_hz=RATE_HZ, max_seconds=recipe.data.max_seconds)
    share = signal.silent_share(audio, RATE_HZ)
    if share > SILENT_SHARE:  # data of which nothing can be learned
        raise DataError("encoding.silent", path=path.name, share=round(100 * share))
    return signal.peak_normalise(audio) if recipe.data.normalise == "peak" else audio


def _encode_conditions(
    parts: tuple[TrackParts, ...], manifest: Manifest, recipe: Recipe, family: ModelFamily, counter: _Counter
) -> tuple[tuple[TrackParts, ...], tuple[Skipped, ...]]:
    """Encode every text and all lyrics, and return the tracks with their parts, and those that were left out.

    Which crops there are depends on which songs are left, so that after a loss the rest is looked at again.
    """
    cache, dtype, device = counter.cache, _dtype(recipe), compute.device(recipe.compute.device)
    conditioner: Conditioner | None = None
    skipped: tuple[Skipped, ...] = ()
    while parts:
        parts = with_windows(parts, recipe, family, cache, dtype)
        uses.record(cache, parts)
        prompts = _missing_prompts(parts, constants_name(family, dtype), cache)
        counter.total = counter.done + len(prompts)  # parts of songs that were left out are not needed
        if not prompts:
            break
        conditioner = conditioner or family.load_conditioner(device)
        lost = _encode_prompts(prompts, manifest, conditioner, counter)
        skipped += lost
        parts = tuple(p for p in parts if p.track.path not in {song.path for song in lost})
    del conditioner
    compute.release(device)
    return parts, skipped


def _encode_prompts(
    prompts: Mapping[tuple[str, str], TrackParts | None],
    manifest: Manifest,
    conditioner: Conditioner,
    counter: _Counter,
) -> tuple[Skipped, ...]:
    """Encode condition parts; a song that came encoded and whose file is gone is left out with its reason."""
    adoption = Adoption(manifest, conditioner)
    skipped: dict[str, Skipped] = {}
    for (kind, name), p in prompts.items():
        if p is None:
            counter.write(kind, name, conditioner.constants(), kind)
            continue
        form, prompt = p.asked(kind, name)
        try:
            part = None if form in (WINDOW, RECODED) else adoption.part(kind, p, form)
            if part is None:
                part = _encoded(kind, form, prompt, conditioner)
                if kind == "text" and form != RECODED and not form.startswith("tags."):  # variants are no news
                    _notice_prompt(p, form, conditioner, counter.job)
            counter.write(kind, name, part, p.track.path)
        except DataError as error:
            skipped[p.track.path] = Skipped(p.track.path, error.code, error.message())
            counter.skip(p, error)
    adoption.report(counter.job)
    return tuple(skipped.values())


def _encoded(kind: str, form: str, prompt: Prompt, conditioner: Conditioner) -> Part:
    """Return a condition part of a prompt, encoded now."""
    if kind == "lyrics":
        return conditioner.lyrics(prompt)
    return conditioner.text(prompt, COVER) if form == RECODED else conditioner.text(prompt)


def _notice_prompt(p: TrackParts, form: str, conditioner: Conditioner, job: Job) -> None:
    """Say what is missing from a prompt or will be cut from it."""
    prompt = p.prompts[form]
    if not prompt.caption:
        job.tell(DataError("encoding.no_caption", path=p.track.path), subject=p.track.path)
    for what in conditioner.trimmed(prompt):
        job.tell(DataError(f"encoding.long_{what}", path=p.track.path), subject=p.track.path)
