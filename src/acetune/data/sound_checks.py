"""Where a measure of a recording becomes a finding. Thresholds: measured on 41 real songs and on made faults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import median
from typing import Final

from acetune.data.findings import Finding, Severity
from acetune.data.hearing import Guess, Heard
from acetune.data.keys import are_close
from acetune.data.measuring import MOST_SECONDS
from acetune.data.track import Source, Track
from acetune.errors import DataError

#: Below, ACE-Step 1.5 was not trained (its duration begins at 10 s).
SHORT_SECONDS: Final = 10.0
#: Shares of silent frames from which a song is refused by `encode`, and from which it is worth a look.
SILENT_SHARE, MOSTLY_SILENT_SHARE = 0.95, 0.60
#: Silence at an end that is worth trimming; songs of albums have up to four seconds at their end.
LONG_END_SECONDS: Final = 5.0
CLIPPED_RUNS_PER_MINUTE: Final = 10.0
#: Mean of a channel that counts as an offset.
DC: Final = 0.005
DUAL_MONO_DB, NEAR_MONO_DB = -60.0, -30.0
POLARITY_CORRELATION: Final = -0.5
DEAD_CHANNEL_DB: Final = 40.0
LEAST_RATE_HZ: Final = 32_000
#: A wall below this frequency is that of a low bit rate; 128 kbit/s mp3 reaches 16.5 kHz.
LEAST_CUTOFF_HZ: Final = 16_000
#: A song stands out by six times the spread of the set (as a standard deviation), and by no less than 6 LU.
OUTLIER_SPREADS, OUTLIER_LU = 6.0, 6.0
_SPREAD_OF_MAD = 1.4826
_LEAST_SONGS = 5

#: Estimators must be this sure before they contradict a person, and may be an octave or a triplet off.
_SURE_OF_BPM, _SURE_OF_KEY = 0.1, 0.1
_TEMPO_TOLERANCE = 0.04
_TEMPO_RATIOS = (1.0, 2.0, 0.5, 3.0, 1 / 3, 1.5, 2 / 3, 4.0, 0.25)


def sound_findings(track: Track, heard: Heard) -> Iterator[Finding]:
    """Yield what is wrong with the recording of a track."""
    checks = (_length, _silence, _level, _stereo, _origin, _contradictions)
    for check in checks:
        for severity, problem, value in check(track, heard):
            yield Finding.of(severity, track.path, problem, value)


def loudness_findings(heard: Mapping[str, Heard]) -> Iterator[Finding]:
    """Yield the songs that are much louder or softer than the others of a set; sets below five have no others."""
    levels = {path: note.lufs for path, note in heard.items() if note.lufs is not None}
    if len(levels) < _LEAST_SONGS:
        return
    middle = median(levels.values())
    spread = _SPREAD_OF_MAD * median(abs(level - middle) for level in levels.values())
    limit = max(OUTLIER_LU, OUTLIER_SPREADS * spread)
    for path, level in levels.items():
        if abs(level - middle) > limit:
            problem = DataError("check.loudness", lufs=level, median=middle, difference=level - middle)
            yield Finding.of("warning", path, problem, level)


_Found = Iterator[tuple[Severity, DataError, float | str]]


def _length(track: Track, heard: Heard) -> _Found:
    """Yield what is wrong with a song's length."""
    if heard.sha256 != track.audio_sha256:
        yield "error", DataError("check.changed"), heard.sha256
    if track.seconds < SHORT_SECONDS:
        yield "warning", DataError("check.short", seconds=track.seconds, least=SHORT_SECONDS), track.seconds
    if track.seconds > MOST_SECONDS:
        yield "warning", DataError("check.long", seconds=track.seconds, most=MOST_SECONDS), track.seconds


def _silence(track: Track, heard: Heard) -> _Found:
    """Yield where a song is silent: all of it, most of it, or at its ends."""
    health = heard.health
    if health.zeros > SILENT_SHARE:
        yield "error", DataError("check.zeros", percent=100 * health.zeros), health.zeros
    elif health.silent > SILENT_SHARE:
        yield "error", DataError("check.silent", percent=100 * health.silent), health.silent
    elif health.silent > MOSTLY_SILENT_SHARE:
        yield "warning", DataError("check.mostly_silent", percent=100 * health.silent), health.silent
    elif max(health.lead, health.tail) > LONG_END_SECONDS:
        yield "info", DataError("check.silent_ends", lead=health.lead, tail=health.tail), health.lead + health.tail


def _level(track: Track, heard: Heard) -> _Found:
    """Yield clipping and offset."""
    runs = heard.health.clipped_runs / max(track.seconds, 1.0) * 60
    if runs > CLIPPED_RUNS_PER_MINUTE:
        yield "warning", DataError("check.clipping", runs=runs), runs
    if heard.health.dc > DC:
        yield "warning", DataError("check.dc", dc=heard.health.dc), heard.health.dc


def _stereo(track: Track, heard: Heard) -> _Found:
    """Yield what is wrong between two channels; the first that fits explains the others."""
    health = heard.health
    if heard.channels == 1:
        yield "info", DataError("check.mono"), 1
    elif health.imbalance_db is None or health.side_db is None:
        return
    elif health.imbalance_db > DEAD_CHANNEL_DB:
        yield "warning", DataError("check.dead_channel", db=health.imbalance_db), health.imbalance_db
    elif health.correlation is not None and health.correlation < POLARITY_CORRELATION:
        yield "warning", DataError("check.polarity", correlation=health.correlation), health.correlation
    elif health.side_db < DUAL_MONO_DB:
        yield "warning", DataError("check.dual_mono"), health.side_db
    elif health.side_db < NEAR_MONO_DB:
        yield "info", DataError("check.near_mono", db=health.side_db), health.side_db


def _origin(track: Track, heard: Heard) -> _Found:
    """Yield where a recording went through a poorer format before."""
    if heard.rate_hz < LEAST_RATE_HZ:
        yield "warning", DataError("check.low_rate", rate=heard.rate_hz), heard.rate_hz
    elif heard.health.cutoff_hz is not None and heard.health.cutoff_hz < LEAST_CUTOFF_HZ:
        yield "warning", DataError("check.lossy", khz=heard.health.cutoff_hz / 1000), heard.health.cutoff_hz


def _contradictions(track: Track, heard: Heard) -> _Found:
    """Yield where the signal denies a tempo or key that somebody else gave."""
    bpm, key = (_guess(track, heard, field) for field in ("bpm", "keyscale"))
    if bpm is not None and track.bpm and bpm.confidence >= _SURE_OF_BPM and not _same_tempo(track.bpm, bpm.value):
        yield "info", DataError("check.bpm_heard", said=track.bpm, heard=bpm.value), bpm.value
    sure = key is not None and key.confidence >= _SURE_OF_KEY
    if sure and key is not None and track.keyscale and not are_close(track.keyscale, str(key.value)):
        yield "info", DataError("check.key_heard", said=track.keyscale, heard=key.value), key.value


def _guess(track: Track, heard: Heard, field: str) -> Guess | None:
    """Return what the signal says of a field that somebody else filled."""
    return None if track.source_of(field) in (None, Source.SIGNAL) else (heard.guesses or {}).get(field)


def _same_tempo(said: float, heard: float | str) -> bool:
    """Whether two tempi agree within 4 %, counted in beats, half beats or triplets."""
    return any(abs(float(heard) * ratio / said - 1) <= _TEMPO_TOLERANCE for ratio in _TEMPO_RATIOS)
