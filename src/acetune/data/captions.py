"""The text that a track is trained with: its caption or its tags, with the trigger word in its place."""

from __future__ import annotations

from acetune.data.track import Track


def trigger_of(track: Track, usual: str | None) -> str | None:
    """Return the activation word of a track: its own, else the data set's; an empty one of its own stands for none."""
    return usual if track.trigger is None else track.trigger


def with_trigger(text: str, trigger: str | None, position: str) -> str:
    """Return a caption that holds the trigger once.

    Args:
        text: Caption or tags; may be empty.
        trigger: Activation word; None or empty changes nothing.
        position: "prepend", "append" or "replace".
    """
    if not trigger:
        return text
    if not text or position == "replace":
        return trigger
    if _listed(trigger) in _listed(text):
        return text
    return f"{trigger}, {text}" if position == "prepend" else f"{text}, {trigger}"


def _listed(text: str) -> str:
    """Return comma-separated words in one spelling, so that a list can be found inside another."""
    return "".join(f",{part.strip().casefold()}" for part in text.split(",")) + ","


def forms(track: Track, trigger: str | None, position: str) -> dict[str, str]:
    """Return the texts a track offers by form: "caption" always, "tags" where it has both.

    A track without caption falls back to its tags, then its genre, then the trigger alone.
    """
    trigger = trigger_of(track, trigger)
    tags = ", ".join(track.tags or ())
    main = track.caption or tags or track.genre or ""
    offered = {"caption": with_trigger(main, trigger, position)}
    if track.caption and tags:
        offered["tags"] = with_trigger(tags, trigger, position)
    return offered
