"""The part of a report that says where the loss is: by t and by song."""

from __future__ import annotations

from acetune.monitor import breakdown
from acetune.monitor.markup import fold, paragraph, section, table
from acetune.monitor.summary import Summary
from acetune.monitor.words import Words


def losses(summary: Summary, words: Words) -> str:
    """Return loss by t, of training and of held-out music, and songs by loss; empty where nothing was recorded."""
    step = summary.verdict.step if summary.verdict else None
    parts = (
        _by_time(summary, words),
        _held_out(breakdown.held_out(summary.run, step), words),
        _by_song(summary, words),
    )
    inside = [part for part in parts if part]
    return section(words("losses"), paragraph(words("losses_how"), "soft"), *inside) if inside else ""


def _by_time(summary: Summary, words: Words) -> str:
    """Return the training loss by bin of t, with how it changed from the first half of the run to the second."""
    found = breakdown.by_time(summary.steps)
    heads = [words(name) for name in ("t", "crops", "first_half", "second_half", "difference")]
    rows = [(f"{b.low:.1f}-{b.high:.1f}", b.crops, _or_dash(b.first), _or_dash(b.last), _change(b)) for b in found]
    return fold(words("by_t", count=len(rows)), table(heads, rows))


def _held_out(found: tuple[breakdown.HeldOutTime, ...], words: Words) -> str:
    """Return the held-out loss at each t."""
    heads = [words(name) for name in ("t", "base_loss", "loss", "difference")]
    rows = [(round(time.t, 4), time.base, time.now, time.now - time.base) for time in found]
    return fold(words("held_out_by_t", count=len(rows)), table(heads, rows))


def _by_song(summary: Summary, words: Words) -> str:
    """Return the songs that were trained on, the hardest first."""
    found = breakdown.by_song(summary.run, summary.steps)
    heads = [words(name) for name in ("song", "crops", "loss", "ratio")]
    rows = [(song.name, song.crops, song.loss, round(song.ratio, 3)) for song in found]
    return fold(words("by_song", count=len(rows)), table(heads, rows))


def _change(time: breakdown.TimeLoss) -> str:
    """Return how a loss changed."""
    return "-" if time.first is None or time.last is None else f"{time.last - time.first:+.4f}"


def _or_dash(value: float | None) -> str:
    """Return a number, or a dash where there is none."""
    return "-" if value is None else f"{value:.4f}"
