"""Whether the trigger does something: held-out music asked with captions that carry it and with the same without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final, cast

from acetune import compute, files
from acetune.data.captions import forms, trigger_of
from acetune.data.split import split
from acetune.data.wordings import MAIN
from acetune.encoding.encode import EncodedSet
from acetune.encoding.encoded_songs import is_encoded
from acetune.encoding.parts import TrackParts
from acetune.events import Json
from acetune.families.family import ModelFamily, Part
from acetune.recipe import Recipe
from acetune.run import Run
from acetune.training.validate import Difference, Losses, difference, verdict

#: Name of the file in a run's evaluation folder.
FILE: Final = "trigger"
#: Songs whose caption is encoded without its trigger.
_MOST_SONGS: Final = 16
#: What the rule of the verdict says of the difference that the trigger makes, in words of its own.
_ANSWERS: Final = {"learned": "works", "worse": "works against", "cannot tell": "cannot tell"}


@dataclass(frozen=True)
class Effect:
    """What a trigger does, below zero where it helps.

    Attributes:
        step, mode: Of the losses.
        on: Difference of the adapter from the base network with the trigger in the captions.
        off: The same without it.
        gain: Difference of the two, paired: what the adapter gains more where the trigger stands.
    """

    step: int
    mode: str
    on: Difference
    off: Difference
    gain: Difference


def bare_texts(encoded: EncodedSet, recipe: Recipe, family: ModelFamily) -> Mapping[str, Part]:
    """Return the encoded captions of held-out songs without their trigger, by path; empty where there is no trigger.

    Songs whose caption holds the trigger by itself have no other caption, and those that came encoded none of ours.
    """
    if not recipe.data.holdout and recipe.data.holdout is not None:
        return {}
    divided = split([p.track for p in encoded.parts], recipe.data.holdout, recipe.data.seed)
    held = {track.path for track in divided.validation or divided.train}
    asked = {p.track.path: text for p in encoded.parts if p.track.path in held and (text := _bare(p, encoded))}
    if not asked:
        return {}
    device = compute.device(recipe.compute.device)
    conditioner = family.load_conditioner(device)
    prompts = {p.track.path: p.prompts[MAIN] for p in encoded.parts}
    first = list(asked.items())[:_MOST_SONGS]
    texts = {path: conditioner.text(replace(prompts[path], caption=caption)) for path, caption in first}
    del conditioner
    compute.release(device)
    return texts


def _bare(p: TrackParts, encoded: EncodedSet) -> str | None:
    """Return the caption of a track without its trigger; None where that is no other one."""
    settings, track = encoded.manifest.settings, p.track
    if not trigger_of(track, settings.trigger) or is_encoded(track):
        return None
    caption = forms(replace(track, trigger=""), None, settings.trigger_position)[MAIN]
    return caption if caption and caption != p.prompts[MAIN].caption else None


def effect(known: Mapping[float, Losses], bare: Mapping[float, Losses], names: frozenset[str]) -> Effect | None:
    """Return what the trigger does; None where no unit has a caption without it.

    Args:
        known: Losses with the trigger, at strengths 0 and 1.
        bare: The same without it.
        names: Units that have a caption without it.
    """
    on, off = ({s: _of(found[s], names) for s in (0.0, 1.0)} for found in (known, bare))
    if not on[0.0].names:
        return None
    with_it, without = ([found[s].per_unit() for s in (0.0, 1.0)] for found in (on, off))
    gains = [tuple(now - base for base, now in zip(*of, strict=True)) for of in (without, with_it)]
    less, more = (replace(on[1.0], values=tuple((gain,) for gain in gained)) for gained in gains)
    gain = replace(difference(less, more), base=sum(with_it[0]) / len(with_it[0]))
    now = on[1.0]
    return Effect(now.step, now.mode, difference(on[0.0], now), difference(off[0.0], off[1.0]), gain)


def answer(found: Effect) -> str:
    """Return "works", "works against" or "cannot tell"."""
    return _ANSWERS[verdict(found.gain, found.mode)[0]]


def save(run: Run, found: Effect) -> None:
    """Write evaluation/trigger.json; the word itself does not stand in it.

    Raises:
        DiskFull, NotWritable: As the file system says.
    """
    values = cast("dict[str, Json]", asdict(found))
    files.write_json(run.evaluation / f"{FILE}.json", {"version": 1, **values, "answer": answer(found)})


def _of(losses: Losses, names: frozenset[str]) -> Losses:
    """Return the losses of some units."""
    rows = [(name, row) for name, row in zip(losses.names, losses.values, strict=True) if name in names]
    return replace(losses, names=tuple(name for name, _ in rows), values=tuple(row for _, row in rows))
