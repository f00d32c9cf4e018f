"""The texts that training may show with a track, and which of them a visit draws.

A track has a few ways to be put into words: its caption, its tags, its genre, its recaptions. The text encoder reads
each of them once, before training, exactly as at inference; so shuffled and thinned tags are a fixed number of
variants, and a visit draws one.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from acetune.data.captions import forms, trigger_of, with_trigger
from acetune.data.fields import read_tags
from acetune.data.settings import DatasetSettings
from acetune.data.track import Track
from acetune.errors import SettingError
from acetune.files import chance_of
from acetune.sections import DataSection

#: Shuffled and thinned lists of a track's tags; each costs one reading of the text encoder.
VARIANTS: Final = 8
#: The text that held-out songs are asked with.
MAIN: Final = "caption"


def wordings(track: Track, settings: DatasetSettings, data: DataSection) -> dict[str, str]:
    """Return the texts that a track may be shown with, by form; the trigger stands in each of them once.

    Forms are "caption", "tags" (or "tags.0" to "tags.7" where they are shuffled or thinned), "genre" and
    "recaption.<kind>". Only what a recipe can draw is offered, and "caption" always.

    Raises:
        SettingError: As `check_shares`.
    """
    check_shares(data)
    trigger = trigger_of(track, settings.trigger)
    offered = forms(track, settings.trigger, settings.trigger_position)
    texts: dict[str, str] = {}
    if track.tags and (data.tags_share or not _has_caption(track)):
        plain = {"tags": ", ".join(track.tags)} if _has_caption(track) else {}
        texts |= _variants(track, data, trigger) if _varied(data) else plain
    if track.genre and data.genre_share:
        texts["genre"] = track.genre
    if data.recaption_share:
        texts |= {f"recaption.{kind}": text for kind, text in (track.recaption or {}).items() if text.strip()}
    placed = {form: with_trigger(text, trigger, settings.trigger_position) for form, text in texts.items()}
    return {MAIN: offered[MAIN], **placed}


def check_shares(data: DataSection) -> None:
    """Make sure that something is left for captions, or nothing too much.

    Raises:
        SettingError: If the shares are more than 1 together.
    """
    tags, genre, recaption = data.tags_share, data.genre_share, data.recaption_share
    if tags + genre + recaption > 1 + 1e-9:  # 0.1 + 0.2 + 0.7 is a little more
        raise SettingError("data.shares", tags=tags, genre=genre, recaption=recaption)


def drawn(track: Track, offered: Collection[str], data: DataSection, u: float, v: float) -> str:
    """Return the form of one visit.

    Args:
        track: Where it has no caption but its tags, these take that place.
        offered: Its forms.
        data: The shares.
        u: Chooses the kind, in [0, 1).
        v: Chooses among the texts of a kind, in [0, 1).
    """
    shares = {"tags": data.tags_share, "genre": data.genre_share, "recaption": data.recaption_share}
    usual = MAIN if _has_caption(track) else "tags"
    kind = usual
    for name, share in shares.items():
        if u < share:
            kind = name
            break
        u -= share
    for choice in (kind, usual):
        found = [form for form in offered if form.partition(".")[0] == choice]
        if found:
            return found[int(v * len(found))]
    return MAIN


def _has_caption(track: Track) -> bool:
    """Whether a caption says something else than the tags; those of ACE-Step v1 are one text with commas."""
    return bool(track.caption) and list(read_tags(track.caption or "")) != list(track.tags or ())


def _varied(data: DataSection) -> bool:
    """Whether lists of tags differ from visit to visit."""
    return data.tag_shuffle or data.tag_dropout > 0


def _variants(track: Track, data: DataSection, trigger: str | None) -> dict[str, str]:
    """Return the variants of a track's tags by form.

    The trigger is left out, so that it is neither moved nor dropped: its place is given to it afterwards. One tag
    remains at least where there is no trigger to remain. Which tags and in which order follows from the tags alone,
    so that another run finds the same texts encoded.
    """
    own = {part.strip().casefold() for part in (trigger or "").split(",")}
    tags = [tag for tag in dict.fromkeys(track.tags or ()) if tag.strip().casefold() not in own]
    return {
        f"tags.{number}": ", ".join(_variant(tags, data, number, 0 if trigger else 1)) for number in range(VARIANTS)
    }


def _variant(tags: list[str], data: DataSection, number: int, least: int) -> list[str]:
    """Return a list of tags shuffled and thinned, but for so many tags at least."""
    luck = {tag: chance_of("tag dropout", tags, number, tag) for tag in tags}
    safe = sorted(tags, key=luck.__getitem__, reverse=True)[:least]
    left = [tag for tag in tags if luck[tag] >= data.tag_dropout or tag in safe]
    return sorted(left, key=lambda tag: chance_of("tag order", tags, number, tag)) if data.tag_shuffle else left
