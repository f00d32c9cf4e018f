"""Sentences about a training that will not go well, said before it starts: pure functions of recipe and facts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from acetune.data.lyric_windows import has_times
from acetune.data.track import Track
from acetune.errors import SettingError
from acetune.events import Json
from acetune.planning.optimizers import UNREAD, USUAL_RATES, second_memory
from acetune.planning.steps import Length
from acetune.planning.unused import unused
from acetune.recipe import Recipe
from acetune.sections import WHOLE

#: Fewest units for which an interval is given.
MIN_UNITS = 4

#: Scales alpha / rank outside these act as another learning rate, and as another strength in careless programs.
_USUAL_SCALE: Final = (0.1, 8.0)
#: A moment that remembers this many runs has hardly left its first gradient.
_LONG_MEMORY: Final = 10.0
#: Knobs of `acetune.sections.DataSection` that need a field of the tracks; a little of the tags is drawn by default.
_TEXTS: Final = MappingProxyType(
    {"genre_share": "genre", "recaption_share": "recaption", "tag_shuffle": "tags", "tag_dropout": "tags"}
)
#: All weights of a trained model are tuned at a tenth of an adapter's rate or less, a rule of thumb: above, it forgets.
_MOST_WHOLE: Final = 5e-5
#: Words of captions for voices without music, and the targets that such songs outgrow (preset ``vocal``).
_VOICES: Final = re.compile(
    r"\ba[ -]?cap+ell?a\b|\bvocals? only\b|\b(isolated|solo) vocals?\b|清唱|无伴奏|干声", re.IGNORECASE
)
_ATTENTION: Final = "attention"
_FEW_TRACKS, _MUCH_DROPOUT = 5, 0.2


@dataclass(frozen=True)
class Advice:
    """Something that will not go well: a code of the message tables and the values of its sentence."""

    code: str
    params: tuple[tuple[str, Json], ...] = ()

    @classmethod
    def of(cls, code: str, **params: Json) -> Advice:
        """Return an advice with these values."""
        return cls(code, tuple(params.items()))

    @property
    def finding(self) -> SettingError:
        """The advice with its sentences."""
        return SettingError(self.code, **dict(self.params))

    def to_json(self) -> dict[str, Json]:
        """Return code, values and the English sentence."""
        return {"code": self.code, "params": dict(self.params), "message": self.finding.message()}


def advise(recipe: Recipe, tracks: Sequence[Track], length: Length, *, units: int) -> tuple[Advice, ...]:
    """Return what speaks against a training, wherever it runs.

    Args:
        recipe: What to train.
        tracks: The songs that are not excluded.
        length: Of the run.
        units: Songs or windows that are held out.
    """
    idle = (
        Advice.of("plan.unused", knob=k, value=str(value), because=why) for k, value, why in unused(recipe, units=units)
    )
    return (
        *_of_the_length(recipe, length),
        *_of_the_data(tracks, units),
        *_of_the_texts(recipe, tracks),
        *_of_the_singing(recipe, tracks),
        *_of_the_adapter(recipe, len(tracks)),
        *idle,
    )


def _of_the_length(recipe: Recipe, length: Length) -> Iterator[Advice]:
    """Yield what the number of steps speaks against."""
    if length.warmup >= length.steps:
        yield Advice.of("plan.long_warmup", warmup=length.warmup, steps=length.steps)
    beta2 = second_memory(recipe.optim)
    memory = 0.0 if "beta2" in UNREAD.get(recipe.optim.name, ()) else 1 / (1 - beta2)
    if memory > _LONG_MEMORY * length.steps:
        yield Advice.of("plan.long_memory", beta2=beta2, memory=round(memory), steps=length.steps)


def _of_the_data(tracks: Sequence[Track], units: int) -> Iterator[Advice]:
    """Yield what the songs speak against."""
    bare = sum(not (track.caption or track.tags or track.genre) for track in tracks)
    if bare:
        yield Advice.of("plan.no_captions", count=bare, total=len(tracks))
    if units == 0:
        yield Advice.of("plan.no_holdout")
    elif units < MIN_UNITS:
        yield Advice.of("plan.few_units", units=units, least=MIN_UNITS)


def _of_the_texts(recipe: Recipe, tracks: Sequence[Track]) -> Iterator[Advice]:
    """Yield which texts are asked for and stand in no track."""
    for name, field in _TEXTS.items():
        value = getattr(recipe.data, name)
        if value and not any(getattr(track, field) for track in tracks):
            yield Advice.of("plan.nothing_to_draw", knob=f"data.{name}", value=value, field=field)


def _of_the_singing(recipe: Recipe, tracks: Sequence[Track]) -> Iterator[Advice]:
    """Yield what crops do to lyrics, and which preset is for songs that are nothing but voices."""
    sung = [track for track in tracks if track.lyrics and not track.instrumental]
    seconds = recipe.data.crop_seconds
    whole = [t for t in sung if min(t.seconds, recipe.data.max_seconds) > seconds and not has_times(t)]
    if whole and recipe.data.cut_lyrics:
        yield Advice.of("plan.whole_lyrics", count=len(whole), total=len(tracks), seconds=seconds)
    voices = sum(bool(_VOICES.search(" ".join((t.caption or "", *(t.tags or ()), t.genre or "")))) for t in sung)
    if 2 * voices > len(tracks) and recipe.adapter.targets == _ATTENTION:
        yield Advice.of("plan.voices", count=voices, total=len(tracks), targets=recipe.adapter.targets)


def _of_the_adapter(recipe: Recipe, tracks: int) -> Iterator[Advice]:
    """Yield which knobs of adapter and optimizer are unusual."""
    adapter, optim = recipe.adapter, recipe.optim
    whole = adapter.kind == WHOLE
    scale = adapter.alpha / (adapter.rank**0.5 if adapter.rslora else adapter.rank)
    if adapter.kind not in ("oft", WHOLE) and not _USUAL_SCALE[0] <= scale <= _USUAL_SCALE[1]:
        yield Advice.of("plan.scale", scale=round(scale, 3), alpha=adapter.alpha, rank=adapter.rank)
    low, high = USUAL_RATES.get(optim.name, (0.0, 1.0))
    if whole and optim.lr > _MOST_WHOLE and "prodigy" not in optim.name:
        yield Advice.of("plan.full_rate", lr=optim.lr, optimizer=optim.name, low=_MOST_WHOLE / 10, high=_MOST_WHOLE)
    elif not low <= optim.lr <= high:
        yield Advice.of("plan.rate", lr=optim.lr, optimizer=optim.name, low=low, high=high)
    if optim.name == "prodigy-schedule-free" and recipe.schedule.name != "constant":
        yield Advice.of("plan.schedule", optimizer=optim.name, schedule=recipe.schedule.name)
    if tracks < _FEW_TRACKS and adapter.dropout >= _MUCH_DROPOUT:
        yield Advice.of("plan.dropout", dropout=adapter.dropout, tracks=tracks)
