"""Who listens, in which order, and for what: decided before anything is opened."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from acetune import compute
from acetune.annotation.annotator import Annotator, Setup
from acetune.catalog import names, resolve
from acetune.data.listing import ENCODED_SUFFIX
from acetune.data.text_checks import has_words
from acetune.data.track import Source, Track
from acetune.errors import SettingError

#: Stands for every field.
_EVERY: Final = "all"
#: What a song without a singer has not.
_SUNG: Final = ("lyrics", "line_times", "language")


def choose(wanted: Sequence[str] | None, setup: Setup) -> tuple[Annotator, ...]:
    """Return annotators in the order of the catalogue, which is the order of work.

    Args:
        wanted: Names of the catalogue; None for all that can work here.
        setup: What they may use.

    Raises:
        SettingError: If nobody or somebody unknown is named, or a device or an address that cannot be.
        AcetuneError: What one lacks that was named, or for which a model was; says how to get it.
    """
    if wanted is not None and not wanted:
        raise SettingError("annotation.nobody")
    if setup.device != "auto":
        compute.device(setup.device)
    known = names("annotator")
    _check_models(setup.model_ids)
    asked = known if wanted is None else wanted
    found: dict[str, Annotator] = {name: resolve("annotator", name)() for name in dict.fromkeys(asked)}
    if wanted is None:
        found = {name: annotator for name, annotator in found.items() if not getattr(annotator, "on_request", False)}
    lacking = {name: annotator.missing(setup) for name, annotator in found.items()}
    for name, error in lacking.items():
        is_meant = wanted is not None or not _models(found[name]).isdisjoint(setup.model_ids)
        if error is not None and (is_meant or isinstance(error, SettingError)):
            raise error
    return tuple(found[name] for name in known if name in found and lacking[name] is None)


def passes(chosen: Sequence[Annotator]) -> tuple[tuple[Annotator, ...], ...]:
    """Return who works together: pooled annotators that follow each other; each of the others alone."""
    groups: list[list[Annotator]] = []
    for annotator in chosen:
        if annotator.pooled and groups and groups[-1][0].pooled:
            groups[-1].append(annotator)
        else:
            groups.append([annotator])
    return tuple(map(tuple, groups))


def anew(overwrite: Sequence[str], chosen: Sequence[Annotator]) -> frozenset[str]:
    """Return the fields to find anew; "all" stands for every field that somebody fills.

    Raises:
        SettingError: If nobody would find one of them.
    """
    known = {field for annotator in chosen for field in annotator.fields}
    for field in overwrite:
        if field not in known and field != _EVERY:
            raise SettingError("annotation.bad_overwrite", field=field, known=", ".join(sorted(known)))
    return frozenset(known if _EVERY in overwrite else overwrite)


def wanted(
    track: Track, group: Sequence[Annotator], overwrite: Collection[str] | None, found: Mapping[str, Source]
) -> dict[str, Annotator]:
    """Return the fields to find for a track, with who finds them: the first of the group that may.

    Args:
        track: What is known of it.
        group: Annotators that work together.
        overwrite: Fields to find anew where the same or a lower source filled them; None for every field, known or not.
        found: What was found in this round already, and by whom; only a higher source looks again.
    """
    fields: dict[str, Annotator] = {}
    for annotator in group:
        for field in annotator.fields:
            if field not in fields and _wants(annotator, field, track, overwrite, found):
                fields[field] = annotator
    return fields


def _wants(
    annotator: Annotator, field: str, track: Track, overwrite: Collection[str] | None, found: Mapping[str, Source]
) -> bool:
    """Whether an annotator shall find a field of a track."""
    if any(not getattr(track, need) for need in needs(annotator)) or not _audible(track, annotator):
        return False
    if field == "line_times" and "lyrics" in annotator.fields:
        field = "lyrics"  # times belong to the lines of the same source
    if field in found:
        return annotator.source > found[field]
    if overwrite is None:
        return True
    if field in track.extra and field not in overwrite:
        return False  # what somebody wrote there cannot be read; the check of the data set says so
    said = track.source_of(field)
    if field == "instrumental" and _somebody_sings(track, annotator, overwrite):
        return False
    if said is not None:
        return field in overwrite and said <= annotator.source
    return field in overwrite or field not in _SUNG or not _nobody_sings(track, annotator)


def _check_models(chosen: Collection[str]) -> None:
    """Make sure that somebody uses each model that the user chose.

    Raises:
        SettingError: If nobody does.
    """
    if chosen:
        known = {model for name in names("annotator") for model in _models(resolve("annotator", name))}
        for name in sorted({*chosen} - known):
            resolve("annotator", name)


def _models(annotator: Annotator) -> frozenset[str]:
    """Return the names by which the user may choose models for an annotator."""
    return frozenset((annotator.name, *getattr(annotator, "models", ())))


def needs(annotator: Annotator) -> tuple[str, ...]:
    """Return the fields that must be known before an annotator can say anything."""
    return getattr(annotator, "needs", ())


def _audible(track: Track, annotator: Annotator) -> bool:
    """Whether there is a song to hear, for those who do not only read; songs that came encoded have no audio."""
    return bool(needs(annotator)) or not track.path.endswith(ENCODED_SUFFIX)


def _somebody_sings(track: Track, annotator: Annotator, overwrite: Collection[str]) -> bool:
    """Whether a source that is at least as good knows words of a song, and this one is not about to replace them."""
    said = track.source_of("lyrics")
    if said is None or said < annotator.source or not has_words(track.lyrics):
        return False
    return said > annotator.source or "lyrics" not in overwrite


def _nobody_sings(track: Track, annotator: Annotator) -> bool:
    """Whether a source that is at least as good said that a song is instrumental."""
    said = track.source_of("instrumental")
    return bool(track.instrumental) and said is not None and said >= annotator.source
