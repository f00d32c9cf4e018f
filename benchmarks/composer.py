"""Songs whose tempo, key and metre are known: composed and played by this file, the same on every machine.

A song has drums or not, bass, accompaniment and melody on a chord progression of its key, in one of several styles,
with instruments, tuning, timing errors, swing, room and noise drawn from its number. It begins thinner than its middle
and ends on its tonic. Tempi are spread evenly over the octaves from 40 to 220 beats a minute in 4/4, from 60 to 180 in
3/4 (quicker waltzes are felt in one), and from 40 to 130 in 6/8, whose beat is the dotted quarter. As in music that
people play, slow beats are divided into more notes than quick ones (2 to 7.5 quick notes a second), a chord lasts about
1.5 to 3 seconds, and notes off the beat are softer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

RATE_HZ = 22_050
MAJOR = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MINOR = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")
KEYS = (*(f"{name} major" for name in MAJOR), *(f"{name} minor" for name in MINOR))

Wave = npt.NDArray[np.float32]
_SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
#: Degrees of the scale, a bar each; "V" in minor has the raised seventh.
_PROGRESSIONS = {
    "major": ("1564", "1645", "1415", "1454", "1625", "1345", "1155", "1644", "4151", "1264"),
    "minor": ("1637", "14V1", "1765", "164V", "1134", "16V1", "1475", "17V1", "1643", "1441"),
}
_BEATS = {"4": 4, "3": 3, "6": 2}
_TEMPI = {"4": (40, 220), "3": (60, 180), "6": (40, 130)}
#: Where kick and bass may be struck in bars of four, three and two beats.
_KICKS: dict[int, Sequence[Sequence[float]]] = {
    4: ((0.0, 2.0), (0.0, 2.0, 2.5), (0.0, 1.5, 2.0), (0.0, 2.0, 3.5), (0.0, 1.75, 2.5)),
    3: ((0.0,), (0.0, 2.5), (0.0, 1.5)),
    2: ((0.0,), (0.0, 5 / 3), (0.0, 2 / 3)),
}
_LINES: dict[int, Sequence[Sequence[float]]] = {
    4: ((0.0, 2.0), (0.0,), (0.0, 1.5, 2.0), (0.0, 1.5, 3.0), (0.0, 2.0, 3.0)),
    3: ((0.0,), (0.0, 2.0), (0.0, 1.0, 2.0)),
    2: ((0.0, 1.0), (0.0,), (0.0, 2 / 3, 1.0)),
}
_TABLE = 2048


@dataclass(frozen=True)
class Instrument:
    """A tone: harmonics fall with a power of their number, and lose their height as it decays.

    Attributes:
        fall: Power; 1 is a saw tooth, 3 nearly a sine.
        odd: Only odd harmonics.
        attack: Seconds until the note is at full level.
        decay: Seconds in which it falls to a third.
        dull: Seconds in which the upper harmonics do.
        vibrato: Semitones, five times a second.
        partials: Frequencies of inharmonic tones, as multiples of the lowest.
    """

    fall: float = 1.5
    odd: bool = False
    attack: float = 0.004
    decay: float = 0.6
    dull: float = 0.2
    vibrato: float = 0.0
    partials: tuple[float, ...] = ()


_BASSES = (
    Instrument(2.5, decay=0.8),
    Instrument(1.0, decay=0.5, dull=0.1),
    Instrument(1.5, odd=True, decay=1.5, dull=0.4),
    Instrument(1.8, attack=0.02, decay=1.0),
)
_CHORDS = (
    Instrument(1.7, decay=0.9, dull=0.25),  # piano
    Instrument(1.1, decay=0.5, dull=0.12),  # guitar
    Instrument(2.4, decay=1.2, dull=0.5),  # electric piano
    Instrument(1.3, attack=0.01, decay=9.0, dull=9.0),  # organ
    Instrument(1.0, attack=0.05, decay=5.0, dull=3.0),  # saw pad
    Instrument(1.4, attack=0.09, decay=6.0, dull=4.0, vibrato=0.1),  # strings
    Instrument(0.8, decay=2.0, dull=1.5),  # distorted guitar
)
_LEADS = (
    Instrument(1.2, odd=True, attack=0.005, decay=1.5, dull=1.0),
    Instrument(2.8, attack=0.04, decay=3.0, dull=3.0, vibrato=0.15),  # flute
    Instrument(1.0, attack=0.05, decay=3.0, dull=1.5, vibrato=0.35),  # voice
    Instrument(1.1, attack=0.03, decay=2.0, dull=0.8),  # brass
    Instrument(partials=(1.0, 2.76, 5.4), decay=0.9, dull=0.15),  # bell
    Instrument(1.6, decay=0.8, dull=0.2),
)


@dataclass(frozen=True)
class Note:
    """A tone: start and length in beats, MIDI pitch, level, and which of the song's three instruments plays it."""

    start: float
    beats: float
    pitch: float
    level: float
    part: int


@dataclass(frozen=True)
class Hit:
    """A stroke: place in beats, the drum ("kick", "snare", "hat", "clap", "shaker"), level."""

    start: float
    drum: str
    level: float


@dataclass(frozen=True)
class Song:
    """A score with its facts."""

    number: int
    bpm: float
    keyscale: str
    timesignature: str
    style: str
    beats: float
    notes: tuple[Note, ...]
    hits: tuple[Hit, ...]


def songs(seed: int, count: int, seconds: float = 40.0) -> Iterator[Song]:
    """Yield songs in which the 24 keys take turns; a seed gives the same ones each time."""
    yield from (compose(seed, number, seconds) for number in range(count))


def compose(seed: int, number: int, seconds: float = 40.0) -> Song:
    """Return one song of a set."""
    rng = np.random.default_rng([seed, number])
    metre = str(rng.choice(["4", "3", "6"], p=[0.5, 0.28, 0.22]))
    slowest, quickest = _TEMPI[metre]
    bpm = float(np.round(slowest * (quickest / slowest) ** rng.random(), 1))
    keyscale = KEYS[number % 24]
    writer = _Writer(rng, bpm, keyscale, _BEATS[metre], compound=metre == "6")
    bars = max(8, round(seconds * bpm / 60 / _BEATS[metre]))
    style = writer.write(bars)
    return Song(
        number,
        bpm,
        keyscale,
        metre,
        style,
        (bars + 1) * _BEATS[metre],
        tuple(writer.notes),
        tuple(writer.hits),
    )


class _Writer:
    """Writes a song bar by bar."""

    def __init__(self, rng: np.random.Generator, bpm: float, keyscale: str, beats: int, compound: bool) -> None:
        self.rng, self.bpm, self.beats, self.compound = rng, bpm, beats, compound
        tonic, self.mode = keyscale.split()
        names = MAJOR if self.mode == "major" else MINOR
        self.tonic = names.index(tonic)
        self.notes: list[Note] = []
        self.hits: list[Hit] = []
        steps = [1 / 3, 1 / 6] if compound else [1, 1 / 2, 1 / 4]
        fitting = [step for step in steps if 2.2 <= bpm / 60 / step <= 7.5]
        self.step = float(rng.choice(fitting or steps[:1]))  # the usual quick note
        bar_seconds = beats * 60 / bpm
        self.chords_a_bar = 2 if bar_seconds > 3.2 and beats != 3 else 1
        self.bars_a_chord = 2 if bar_seconds < rng.choice([1.3, 1.6, 2.2]) else 1
        self.kicks = _KICKS[beats][rng.integers(len(_KICKS[beats]))]
        self.line = _LINES[beats][rng.integers(len(_LINES[beats]))]
        self.last = 7  # degree of the melody's last note, an octave above the tonic
        self.swing = 0.0 if compound or rng.random() < 0.75 else float(rng.uniform(0.02, 0.1))

    def write(self, bars: int) -> str:
        """Fill the song and return the names of its drums and accompaniment."""
        rng = self.rng
        drums = str(rng.choice(["none", "rock", "floor", "light", "busy"], p=[0.3, 0.25, 0.15, 0.15, 0.15]))
        comp = str(rng.choice(["broken", "strum", "pump", "held", "pick"]))
        if drums == "none":  # somebody has to keep time
            comp = "pump" if comp == "held" else comp
            self.line = tuple(map(float, range(self.beats))) if comp in ("broken", "pick") else _LINES[self.beats][0]
        chosen = rng.permutation(len(_PROGRESSIONS[self.mode]))[:2]
        verse, chorus = (_PROGRESSIONS[self.mode][at] for at in chosen)
        rhythms = [self.rhythm() for _ in range(2)]
        for bar in range(bars):
            refrain = bar // 8 % 2 == 1
            progression = chorus if refrain else verse
            at = bar * self.chords_a_bar // self.bars_a_chord
            degrees = [progression[(at + half) % len(progression)] for half in range(self.chords_a_bar)]
            if bar == 0 or bar >= bars - 1:
                degrees = ["1"]
            thin = bar < 2 or (bar >= bars // 2 and bar < bars // 2 + 2)
            if not thin:
                self.drums(bar, drums, fill=bar % 8 == 7)
            self.bass(bar, degrees, comp)
            self.accompany(bar, degrees, comp)
            if bar >= 2 and rng.random() < 0.9:
                self.melody(bar, degrees, rhythms[refrain], last=bar % 4 == 3)
        for pitch in self.chord("1"):
            self.notes.append(Note(bars * self.beats, self.beats, pitch, 0.8, 1))
        self.notes.append(Note(bars * self.beats, self.beats, self.pitch(0) - 12, 0.9, 0))
        return f"{drums} drums, {comp}"

    def pitch(self, degree: int, raised: bool = False) -> float:
        """Return the MIDI pitch of a degree of the scale above the tonic of octave 3."""
        octave, step = divmod(degree, 7)
        return 48 + self.tonic + 12 * octave + _SCALES[self.mode][step] + (raised and step == 6)

    def chord(self, name: str) -> list[float]:
        """Return the pitches of a triad, folded into the octave and a half above middle C's."""
        root = 4 if name == "V" else int(name) - 1
        pitches = [self.pitch(root + third, raised=name == "V") for third in (0, 2, 4)]
        return sorted(pitch - 12 if pitch > 66 else pitch for pitch in pitches)

    def root(self, name: str) -> float:
        """Return the bass note of a chord."""
        low = self.pitch(4 if name == "V" else int(name) - 1) - 12
        return low - 12 if low > 50 else low

    def weight(self, at: float) -> float:
        """Return how strongly a place in the bar is played."""
        if not _is_whole(at):
            return 0.5 if _is_whole(2 * at) else 0.4
        beat = round(at)
        return 1.0 if beat == 0 else 0.85 if self.beats == 4 and beat == 2 else 0.72

    def play(self, bar: int, at: float, beats: float, pitch: float, part: int, level: float = 1.0) -> None:
        """Add a note, a little off its place and level."""
        swung = at + self.swing * (round(at * 2) % 2 == 1 and round(at * 4) % 2 == 0)
        loud = level * self.weight(at) * self.rng.uniform(0.85, 1.1)
        self.notes.append(Note(bar * self.beats + swung, beats, pitch, loud, part))

    def hit(self, bar: int, at: float, drum: str, level: float) -> None:
        """Add a stroke."""
        swung = at + self.swing * (round(at * 2) % 2 == 1 and round(at * 4) % 2 == 0)
        self.hits.append(Hit(bar * self.beats + swung, drum, level * self.rng.uniform(0.85, 1.1)))

    def drums(self, bar: int, kind: str, fill: bool) -> None:
        """Write a bar of drums."""
        if kind == "none":
            return
        beats, light = self.beats, kind == "light"
        four = kind == "floor" and not self.compound
        for at in map(float, range(beats)) if four else self.kicks:
            self.hit(bar, at, "kick", 0.5 if light else 0.9)
        for at in {4: (1.0, 3.0), 3: (1.0, 2.0), 2: (1.0,)}[beats]:
            self.hit(bar, at, {"floor": "clap", "light": "shaker"}.get(kind, "snare"), 0.5 if beats == 3 else 0.7)
        step = self.step * (2 if light and self.step < 0.4 and not self.compound else 1)
        for at in np.arange(0, beats - 1e-6, step):
            self.hit(bar, float(at), "shaker" if light else "hat", 0.2 + 0.12 * _is_whole(at))
        if kind in ("rock", "busy") and self.rng.random() < 0.5:
            self.hit(bar, float(self.rng.choice(np.arange(1, beats / self.step)) * self.step), "kick", 0.6)
        for at in np.arange(beats - 1, beats - 1e-6, self.step) if fill else ():
            self.hit(bar, float(at), "snare", 0.45)

    def bass(self, bar: int, degrees: Sequence[str], comp: str) -> None:
        """Write a bar of bass."""
        places = self.line
        if comp == "pump" and self.beats != 3:
            places = tuple(np.arange(0, self.beats - 1e-6, 1 if self.compound else max(self.step, 0.5)))
        for number, at in enumerate(places):
            fifth = comp == "pick" and number % 2 == 1 and len(degrees) == 1
            length = (places[number + 1] if number + 1 < len(places) else self.beats) - at
            self.play(bar, float(at), 0.95 * length, self.root(self.sounding(degrees, at)) + 7 * fifth, 0)

    def accompany(self, bar: int, degrees: Sequence[str], comp: str) -> None:
        """Write a bar of chords."""
        if comp == "held":
            for number, degree in enumerate(degrees):
                for pitch in self.chord(degree):
                    self.play(bar, number * self.beats / len(degrees), self.beats / len(degrees), pitch, 1)
        elif comp in ("broken", "pick"):
            wheel = self.wheel()
            for number, at in enumerate(np.arange(0, self.beats - 1e-6, self.step)):
                pitch = self.chord(self.sounding(degrees, at))[wheel[number % len(wheel)]]
                self.play(bar, float(at), 2 * self.step, pitch + 12 * (comp == "pick"), 1)
        else:
            for at in self.strokes(comp):
                for pitch in self.chord(self.sounding(degrees, at)):
                    self.play(bar, at, 0.8 * (1 if comp == "pump" else self.step), pitch, 1, 0.8)

    def wheel(self) -> Sequence[int]:
        """Return which notes of the chord a broken one takes in turn: in threes, or in twos and fours."""
        if self.compound:
            return (0, 1, 2)
        if self.beats == 3:
            return (0, 1, 2) if self.step == 1 else (0, 2, 1, 2, 1, 2)
        return (0, 2, 1, 2)

    def sounding(self, degrees: Sequence[str], at: float) -> str:
        """Return the chord at a place of the bar."""
        return degrees[min(int(at * len(degrees) / self.beats + 1e-6), len(degrees) - 1)]

    def strokes(self, comp: str) -> Sequence[float]:
        """Return where the chords of a bar are struck."""
        if self.beats == 3:
            return (1.0, 2.0)
        if self.compound:
            return (0.0, 1 / 3, 2 / 3, 1.0, 4 / 3, 5 / 3) if comp == "strum" else (0.0, 2 / 3, 1.0, 5 / 3)
        if comp == "pump" or self.step == 1:
            return (0.0, 1.0, 2.0, 3.0)
        late = 1 + self.step
        return (0.0, 1.0, late, 2 + self.step, 3.0, 3 + self.step)

    def rhythm(self) -> list[tuple[float, float]]:
        """Return places and lengths of the melody in a bar."""
        choices = [number * self.step for number in (1, 2, 3, 4) if number * self.step <= self.beats / 2]
        places: list[tuple[float, float]] = []
        at = 0.0
        while at < self.beats - 1e-6:
            length = float(self.rng.choice(choices))
            if self.compound and round(at % 1 * 3) and at % 1 + length > 1.01:
                length = 1 - at % 1  # nothing is tied over the second beat's start
            places.append((at, min(length, self.beats - at)))
            at += length
        return places

    def melody(self, bar: int, degrees: Sequence[str], rhythm: list[tuple[float, float]], last: bool) -> None:
        """Write a bar of melody: steps and small leaps, chord tones on the beat."""
        rng = self.rng
        if last:
            rhythm = rhythm[: max(1, len(rhythm) // 2)]
        for at, beats in rhythm:
            degree = self.sounding(degrees, at)
            root = 4 if degree == "V" else int(degree) - 1
            move = int(rng.choice([-2, -1, -1, 0, 1, 1, 2]))
            self.last = int(np.clip(self.last + move, 4, 15))
            if _is_whole(at):
                self.last = min(
                    (root + third + 7 * octave for third in (0, 2, 4) for octave in (0, 1, 2)), key=self.distance
                )
            if rng.random() < 0.12:
                continue
            self.play(bar, at, 0.9 * beats, self.pitch(self.last, raised=degree == "V") + 12, 2, 0.9)

    def distance(self, degree: int) -> int:
        """Return how far a degree is from the melody's last."""
        return abs(degree - self.last)


def _is_whole(beats: float) -> bool:
    """Return whether a place is on a beat."""
    return abs(beats - round(beats)) < 1e-6


def render(song: Song, seed: int = 0) -> Wave:
    """Return a song as mono sound at 22,050 Hz, its peak at -1 dBFS."""
    rng = np.random.default_rng([seed, song.number, 1])
    band = [parts[rng.integers(len(parts))] for parts in (_BASSES, _CHORDS, _LEADS)]
    levels = rng.uniform([0.5, 0.25, 0.3], [0.9, 0.5, 0.6]) / (1, 2, 1)
    cents, jitter = rng.uniform(-25, 25), float(rng.choice([0.0, 0.004, 0.008]))
    beat = 60 / song.bpm
    mix = np.zeros(round((song.beats * beat + 0.5) * RATE_HZ), np.float32)
    for note in song.notes:
        hertz = 440 * 2 ** ((note.pitch - 69 + cents / 100) / 12)
        sound = tone(band[note.part], hertz, note.beats * beat)
        _add(mix, note.level * levels[note.part] * sound, note.start * beat + jitter * rng.standard_normal())
    kit = _kit(rng)
    loud = rng.uniform(0.4, 1.0)
    for stroke in song.hits:
        _add(mix, loud * stroke.level * kit[stroke.drum], stroke.start * beat + jitter * rng.standard_normal())
    return _mastered(mix, rng)


def tone(instrument: Instrument, hertz: float, seconds: float) -> Wave:
    """Return one note."""
    time = np.arange(round((seconds + 0.03) * RATE_HZ), dtype=np.float32) / RATE_HZ
    level = np.minimum(time / instrument.attack, 1) * np.exp(-time / instrument.decay)
    level *= np.minimum((time[-1] - time) / 0.03, 1)
    if instrument.partials:
        return (
            sum(
                np.sin(2 * np.pi * hertz * multiple * time) * np.exp(-time * number / instrument.dull) / (number + 1)
                for number, multiple in enumerate(instrument.partials)
                if hertz * multiple < RATE_HZ / 2
            ).astype(np.float32)
            * level
        )
    bend = instrument.vibrato * np.log(2) / 12 / (10 * np.pi) * np.sin(10 * np.pi * time)
    at = (hertz * (time + bend) * _TABLE).astype(np.int64) % _TABLE
    bright, dark = _tables(instrument, int(min(24, RATE_HZ / 2.2 / hertz)))
    height = np.exp(-time / instrument.dull)
    return ((height * bright[at] + (1 - height) * dark[at]) * level).astype(np.float32)


@cache
def _tables(instrument: Instrument, highest: int) -> tuple[Wave, Wave]:
    """Return one period of the tone when it begins, and when its upper harmonics are gone."""
    phase = np.arange(_TABLE) * (2 * np.pi / _TABLE)
    numbers = [number for number in range(1, highest + 1) if number % 2 or not instrument.odd]
    waves = []
    for fall in (instrument.fall, instrument.fall + 1.5):
        wave = sum(number**-fall * np.sin(number * phase) for number in numbers)
        waves.append((wave / np.abs(wave).max()).astype(np.float32))
    return waves[0], waves[1]


def _kit(rng: np.random.Generator) -> dict[str, Wave]:
    """Return the sounds of a drum kit."""
    time = np.arange(RATE_HZ // 4, dtype=np.float32) / RATE_HZ
    noise = rng.standard_normal(len(time)).astype(np.float32)
    low, dry = rng.uniform(45, 65), rng.uniform(0.5, 1.5)
    body = rng.uniform(160, 240)
    kick = np.sin(2 * np.pi * (low * time - 3.5 * np.exp(-time / 0.03))) * np.exp(-time / (0.09 * dry))
    snare = (0.6 * noise + 0.5 * np.sin(2 * np.pi * body * time)) * np.exp(-time / (0.06 * dry))
    hat = np.diff(noise, prepend=0) * np.exp(-time / (0.025 * dry))
    clap = noise * np.exp(-time / 0.05) * (1 + np.sign(np.sin(2 * np.pi * 80 * np.minimum(time, 0.03)))) / 2
    shaker = np.diff(noise, prepend=0) * np.minimum(time / 0.015, 1) * np.exp(-time / 0.03)
    sounds = {"kick": kick, "snare": snare, "hat": 0.6 * hat, "clap": 0.7 * clap, "shaker": 0.6 * shaker}
    return {name: sound.astype(np.float32) for name, sound in sounds.items()}


def _add(mix: Wave, sound: Wave, seconds: float) -> None:
    """Add a sound to a mix."""
    start = max(0, round(seconds * RATE_HZ))
    part = mix[start : start + len(sound)]
    part += sound[: len(part)].astype(np.float32)


def _mastered(mix: Wave, rng: np.random.Generator) -> Wave:
    """Return a mix with room, a little noise, perhaps pressed hard, at -1 dBFS."""
    from scipy.signal import fftconvolve

    seconds, wet = rng.uniform(0.2, 1.4), rng.uniform(0.0, 0.35)
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    room = rng.standard_normal(len(time)) * np.exp(-6.9 * time / seconds)
    echo = fftconvolve(mix, room / np.sqrt(np.sum(room**2)))[: len(mix)]
    song = mix + wet * echo
    song /= np.abs(song).max()
    if rng.random() < 0.4:
        song = np.tanh(rng.uniform(1.5, 4.0) * song)
    song += 10 ** (rng.uniform(-80, -50) / 20) * rng.standard_normal(len(song))
    return (0.89 * song / np.abs(song).max()).astype(np.float32)
