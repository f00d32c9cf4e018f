"""What the network sees at each step: which songs, which crop of each, with which text.

Nothing here has state: song order, crop, text and latent noise follow from the seed, the step and the place in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from acetune.data.lyric_windows import has_times, lyrics_between
from acetune.data.split import Split, split
from acetune.data.wordings import MAIN, drawn
from acetune.encoding.encode import EncodedSet
from acetune.encoding.parts import RECODED, TrackParts
from acetune.errors import DataError
from acetune.families.family import Example, Part
from acetune.flow import randomness
from acetune.planning.crops import ROUNDS, Cuts, spread
from acetune.planning.steps import Step, epoch_steps, steps_per_epoch
from acetune.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Song:
    """One encoded track and how it is cut; `number` is its place among the songs of the data set."""

    parts: TrackParts
    cuts: Cuts
    number: int


@dataclass(frozen=True)
class Unit:
    """Something held out: a name and its crops, each cut from (song, start, length)."""

    name: str
    crops: tuple[tuple[TrackParts, int, int], ...]


class Examples:
    """Crops of an encoded data set.

    Args:
        encoded: The data set with every part in the cache.
        recipe: Its data section is read.
        frames_per_second: Of the latents.
        multiple: Crop starts and lengths are multiples of this.

    Raises:
        DataError: If no song is long enough.
    """

    def __init__(self, encoded: EncodedSet, recipe: Recipe, frames_per_second: float, multiple: int) -> None:
        self._encoded = encoded
        self._data, self._code_share = recipe.data, recipe.objective.code_share
        self._budget = int(recipe.compute.resident_gb * 1e9)
        self._resident: dict[tuple[str, str], Part] = {}
        self._resident_bytes = 0
        self._laid_out: tuple[int, tuple[Step, ...]] | None = None
        self._multiple, self._rate = multiple, frames_per_second
        self._wanted = round(recipe.data.crop_seconds * frames_per_second)
        by_path = {p.track.path: p for p in encoded.parts}
        self.split: Split = split([p.track for p in encoded.parts], recipe.data.holdout, recipe.data.seed)
        songs = [self._song(by_path[track.path], number) for number, track in enumerate(self.split.train)]
        self.songs = tuple(song for song in songs if song.cuts.crop)
        if not self.songs:
            raise DataError("plan.no_crops", count=len(encoded.parts))
        self._held_out = tuple(by_path[track.path] for track in self.split.validation)
        self.places = tuple(place for place, song in enumerate(self.songs) for _ in range(song.parts.track.repeats))
        self.items = tuple(self.songs[place] for place in self.places)
        self._repeats = tuple(number for song in self.songs for number in range(song.parts.track.repeats))

    @cached_property
    def constants(self) -> Part:
        """What is the same for every example."""
        return self._encoded.cache.read("constants", self._encoded.constants)

    @property
    def used(self) -> dict[str, list[tuple[str, str | None]]]:
        """Path and content hash of the songs that are trained on, and of those that are held out whole."""
        parts = {"train": [song.parts.track for song in self.songs], "validation": self.split.validation}
        return {part: [(track.path, track.audio_sha256) for track in tracks] for part, tracks in parts.items()}

    @cached_property
    def steps_per_epoch(self) -> int:
        """Steps that show every item once."""
        crops = [song.cuts.crop for song in self.items]
        return steps_per_epoch(crops, self._data.batch_size, self._data.accumulation)

    def step(self, number: int) -> Step:
        """Return the micro-batches of a step (counted from 0) as item numbers."""
        epoch, place = divmod(number, self.steps_per_epoch)
        return self._epoch(epoch)[place]

    def example(self, item: int, step: int, index: int) -> Example:
        """Return the crop that an item shows at a place of a step.

        Args:
            item: Number in `items`.
            step: Counted from 0.
            index: Place among all crops of the step.
        """
        if self.is_prior(step, index):
            return self._prior(self.items[item].cuts.crop, step, index)
        song, seed = self.items[item], self._data.seed
        start, length = self._crop(item, step // self.steps_per_epoch)
        latents = self._read("latents", song.parts.latents, slice(start, start + length))
        mean, std = latents["mean"].float(), latents["std"].float()
        if self._data.latents == "sample":
            mean = mean + std * randomness.normal(tuple(mean.shape), seed, "latents", step, index)
        u, v = (randomness.unit(seed, purpose, step, index) for purpose in ("form", "wording"))
        form = drawn(song.parts.track, song.parts.texts, self._data, u, v)
        if randomness.unit(seed, "codes", step, index) < self._code_share:
            context = self._read("context", song.parts.context, slice(start, start + length))["mean"]
            return replace(self._with_text(song.parts, mean, RECODED, start), context=context)
        return self._with_text(song.parts, mean, form, start)

    def is_prior(self, step: int, index: int) -> bool:
        """Whether a clip of the base network is shown at a place of a step, in place of the item's song."""
        share = self._data.prior_share if self._encoded.prior else 0.0
        return randomness.unit(self._data.seed, "prior", step, index) < share

    def shown(self, step: int) -> tuple[int, ...]:
        """Return the song, as its place in `songs`, at each place of a step; -1 for a clip of the base network."""
        items = [item for micro_batch in self.step(step) for item in micro_batch]
        return tuple(-1 if self.is_prior(step, i) else self.places[item] for i, item in enumerate(items))

    def held_out(self) -> tuple[Unit, ...]:
        """Return what is held out: whole songs as a few crops each, or the ends of the training songs."""
        if self.split.mode == "songs":
            songs = {p.latents: p for p in self._held_out}  # one recording twice is one song
            lengths = [self._encoded.cache.rows("latents", name) for name in songs]
            crops = [spread(frames, self._wanted, self._multiple) for frames in lengths]
            units = [_unit(p, of) for p, of in zip(songs.values(), crops, strict=True)]
            return tuple(unit for unit in units if unit.crops)
        return tuple(
            Unit(song.parts.track.path, ((song.parts, song.cuts.frames, song.cuts.window),))
            for song in self.songs
            if song.cuts.window
        )

    def held_out_example(self, crop: tuple[TrackParts, int, int]) -> Example:
        """Return a held-out crop: the mean of its latents, its caption."""
        parts, start, length = crop
        latents = self._read("latents", parts.latents, slice(start, start + length))
        return self._with_text(parts, latents["mean"].float(), MAIN, start)

    def _prior(self, length: int, step: int, index: int) -> Example:
        """Return a crop of a clip of the base network."""
        u, v = (randomness.unit(self._data.seed, purpose, step, index) for purpose in ("prior clip", "prior crop"))
        clip = self._encoded.prior[int(u * len(self._encoded.prior))]
        places = (self._encoded.cache.rows("latents", clip.latents) - length) // self._multiple + 1
        start = int(v * places) * self._multiple
        latents = self._read("latents", clip.latents, slice(start, start + length))["mean"].float()
        lyrics = clip.lyrics_name(clip.prompts[MAIN].lyrics)
        return Example(latents, self._read("text", clip.texts[MAIN]), self._read("lyrics", lyrics))

    def _song(self, parts: TrackParts, number: int) -> Song:
        """Return a track with its cuts."""
        frames = self._encoded.cache.rows("latents", parts.latents)
        windows = self.split.mode == "windows"
        return Song(parts, Cuts.of(frames, self._wanted, self._multiple, windows=windows), number)

    def _crop(self, item: int, epoch: int) -> tuple[int, int]:
        """Return start and length of the crop that an item shows in an epoch; the visits of its repeats go on."""
        song = self.items[item]
        visit = epoch * song.parts.track.repeats + self._repeats[item]
        rounds = ROUNDS if self._data.cut_lyrics and has_times(song.parts.track) else None
        return song.cuts.start(visit, self._data.seed, song.number, rounds), song.cuts.crop

    def _epoch(self, epoch: int) -> tuple[Step, ...]:
        """Return the steps of an epoch, laid out once for all of them."""
        if self._laid_out and self._laid_out[0] == epoch:
            return self._laid_out[1]
        order = randomness.permutation(len(self.items), self._data.seed, "order", epoch)
        steps = epoch_steps([s.cuts.crop for s in self.items], order, self._data.batch_size, self._data.accumulation)
        self._laid_out = (epoch, steps)
        return steps

    def _with_text(self, parts: TrackParts, latents: Tensor, form: str, start: int) -> Example:
        """Return an example of these latents, which begin at a frame of a track, and the text that goes with them."""
        lyrics = parts.prompts[MAIN].lyrics
        if self._data.cut_lyrics and has_times(parts.track):
            end = start + len(latents)
            lyrics = lyrics_between(parts.track, start / self._rate, end / self._rate)
        name = parts.lyrics_name(lyrics)
        return Example(latents, self._read("text", parts.texts[form]), self._read("lyrics", name))

    def _read(self, kind: str, name: str, rows: slice = slice(None)) -> Part:
        """Return rows of a part: from memory, or from the disk once the budget is used up."""
        key = (kind, name)
        cache = self._encoded.cache
        if key not in self._resident:
            size = cache.size(kind, name)
            if self._resident_bytes + size > self._budget:
                return cache.read(kind, name, rows)
            # A copy: tensors that are read are maps of the file, and would hold it open.
            self._resident[key] = {part: tensor.clone() for part, tensor in cache.read(kind, name).items()}
            self._resident_bytes += size
        return {name: tensor[rows] for name, tensor in self._resident[key].items()}


def _unit(parts: TrackParts, crops: Sequence[tuple[int, int]]) -> Unit:
    """Return a song that is held out whole; crops are start and length."""
    return Unit(parts.track.path, tuple((parts, start, length) for start, length in crops))
