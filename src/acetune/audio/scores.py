"""The eight songs of the demo as scores: drums, bass, chords and lead, each in a style of its own."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Voice:
    """An instrument.

    Attributes:
        harmonics: Amplitude of each harmonic, the fundamental first.
        level: Loudness in the mix.
        octave: Octave of the song's tonic; octave 4 begins at middle C.
        attack: Seconds until a note is at full level.
        decay: Seconds in which it then falls to a third.
        pan: -1 (left) to 1 (right).
        vibrato: Depth in semitones, five times a second.
    """

    harmonics: tuple[float, ...]
    level: float
    octave: int
    attack: float = 0.005
    decay: float = 0.5
    pan: float = 0.0
    vibrato: float = 0.0


@dataclass(frozen=True)
class DemoSong:
    """A song as a score. A bar is a string of equal steps; see `_notes` and `_hits` for their letters.

    Attributes:
        stem: File name without suffix.
        bpm: Beats per minute.
        keyscale: Key in ACE-Step's spelling.
        caption: What a person would write about the sound.
        lyrics: The words, or "[Instrumental]".
        chords: Degree of the scale (0 is the tonic) on which the chord of each bar stands, repeated to the end.
        voices: Bass, chords, lead.
        bass: One bar.
        strum: One bar.
        lead: Bars, repeated to the end.
        drums: One bar each of kick, snare, hat.
        beats: Beats in a bar.
        seconds: About how long it is.
    """

    stem: str
    bpm: float
    keyscale: str
    caption: str
    lyrics: str
    chords: tuple[int, ...]
    voices: tuple[Voice, Voice, Voice]
    bass: str
    strum: str
    lead: tuple[str, ...]
    drums: tuple[str, str, str]
    beats: int = 4
    seconds: float = 12.0

    def seconds_per_bar(self) -> float:
        """Return the length of a bar."""
        return self.beats * 60 / self.bpm

    def bars(self) -> int:
        """Return how many bars come nearest to its length."""
        return max(1, round(self.seconds / self.seconds_per_bar()))


def _falling(count: int, power: float, step: int = 1) -> tuple[float, ...]:
    """Return harmonics that fall with a power of their number; step 2 keeps the odd ones."""
    return tuple(n**-power if (n - 1) % step == 0 else 0.0 for n in range(1, count + 1))


_SINE_BASS = Voice((1.0, 0.3, 0.1), level=0.35, octave=2, decay=0.6)
_SAW_BASS = Voice(_falling(12, 1.0), level=0.25, octave=2, decay=0.4)
_SQUARE_BASS = Voice(_falling(9, 1.0, 2), level=0.3, octave=2, decay=0.3)
_DRONE = Voice(_falling(20, 0.7), level=0.5, octave=2, attack=0.05, decay=8.0)
_SAW_PAD = Voice(_falling(8, 1.2), level=0.1, octave=4, attack=0.03, decay=1.5, pan=-0.4)
_DARK_PAD = Voice((1.0, 0.4, 0.1), level=0.2, octave=3, attack=0.1, decay=4.0, pan=-0.3)
_BOX = Voice((1.0, 0.0, 0.0, 0.35, 0.0, 0.0, 0.12), level=0.16, octave=4, decay=0.35, pan=-0.3)
_ELECTRIC_PIANO = Voice((1.0, 0.25, 0.05, 0.0, 0.1), level=0.17, octave=4, decay=0.8, pan=-0.3)
_STRINGS = Voice(_falling(10, 1.3), level=0.13, octave=4, attack=0.12, decay=4.0, pan=-0.4, vibrato=0.1)
_GUITAR = Voice(_falling(9, 0.9), level=0.13, octave=3, decay=0.3, pan=-0.5)
_FUZZ = Voice(_falling(16, 0.5), level=0.14, octave=3, decay=0.5, pan=-0.4)
_PULSE = Voice(_falling(11, 1.0, 2), level=0.1, octave=4, decay=0.15, pan=-0.5)
_GLASS = Voice((1.0, 0.5, 0.4, 0.3, 0.2, 0.2, 0.1, 0.1), level=0.35, octave=5, decay=0.2, pan=0.4)
_BELL = Voice((1.0, 0.0, 0.3, 0.0, 0.0, 0.15), level=0.22, octave=5, decay=0.5, pan=0.4)
_CHIP = Voice(_falling(13, 1.0, 2), level=0.18, octave=5, decay=0.25, pan=0.3)
_VOWEL = Voice((1.0, 0.8, 0.5, 0.6, 0.35, 0.15, 0.1), level=0.3, octave=4, attack=0.04, decay=2.0, vibrato=0.3)
_FLUTE = Voice((1.0, 0.2, 0.05), level=0.22, octave=5, attack=0.05, decay=1.5, pan=0.3, vibrato=0.15)
_HORN = Voice(_falling(6, 0.8), level=0.2, octave=3, attack=0.06, decay=1.5, pan=0.4)
_ACID = Voice(_falling(14, 0.6), level=0.16, octave=4, decay=0.12, pan=0.4)

SCORES = (
    DemoSong(
        stem="glass_arcade",
        bpm=124.0,
        keyscale="A minor",
        caption="bright electronic pop, fast glassy arpeggio, saw pads, four-on-the-floor kick, euphoric, clean",
        lyrics="[Instrumental]",
        chords=(0, 3, 4, 0, 5, 0),
        voices=(_SAW_BASS, _SAW_PAD, _GLASS),
        bass="-0-0-0-0",
        strum="0.......",
        lead=("0-2-4-2-4-7-4-2-",),
        drums=("xxxx", "-x-x", "xxxx"),
    ),
    DemoSong(
        stem="iron_chapel",
        bpm=90.0,
        keyscale="D minor",
        caption="dark ambient techno, low distorted drone, slow heavy kick, distant horn, ominous, cavernous",
        lyrics="[Instrumental]",
        chords=(0, 0, 5, 0),
        voices=(_DRONE, _DARK_PAD, _HORN),
        bass="0.......",
        strum="0...0...",
        lead=("0...4...", "2...0...", "4...2...", "0......."),
        drums=("xxxx", "-x-x", "xxxx"),
    ),
    DemoSong(
        stem="paper_carousel",
        bpm=144.0,
        keyscale="F major",
        caption="music box waltz, three-four time, toy piano, soft brushes, nostalgic, fairy tale, gentle",
        lyrics="[Instrumental]",
        chords=(0, 3, 4, 0, 0, 3, 4, 0, 4, 0),
        voices=(_SINE_BASS, _BOX, _BELL),
        bass="0..",
        strum="-00",
        lead=("4.2", "432", "0.4", "2.0"),
        drums=("x--", "-xx", "xxx"),
        beats=3,
    ),
    DemoSong(
        stem="pixel_sprint",
        bpm=160.0,
        keyscale="C major",
        caption="8-bit chiptune, square wave lead, fast video game level, pulsing bass, playful, energetic",
        lyrics="[Instrumental]",
        chords=(0, 0, 3, 0, 5, 3, 4, 0),
        voices=(_SQUARE_BASS, _PULSE, _CHIP),
        bass="0-4-0-4-",
        strum="-0-0-0-0",
        lead=("02420242", "4-4-2-0-", "02424742", "0.0.7..."),
        drums=("xxxx", "-x-x", "xxxx"),
    ),
    DemoSong(
        stem="slow_lantern",
        bpm=72.0,
        keyscale="Eb major",
        caption="slow piano ballad, warm strings, tender wordless voice, sparse drums, intimate, melancholic",
        lyrics="[Verse 1]\nA lantern on the water\nIt leans against the tide\n\n[Chorus]\nSlow light, hold on\n"
        "Slow light, come home",
        chords=(0, 3, 4, 0),
        voices=(_SINE_BASS, _STRINGS, _VOWEL),
        bass="0...0...",
        strum="0.0.0.0.",
        lead=("4...2...", "0...4...", "2...1...", "0......."),
        drums=("x-x-", "-x-x", "xxxx"),
    ),
    DemoSong(
        stem="harbour_wind",
        bpm=104.0,
        keyscale="G major",
        caption="upbeat acoustic folk pop, strummed guitar, sung melody, hand claps, sunny, carefree, seaside",
        lyrics="[Verse 1]\nSalt on the window and sun on the floor\nBoots in the hallway and wind at the door\n\n"
        "[Chorus]\nOh, harbour wind, carry me\nOver the wall and out to the sea",
        chords=(0, 3, 0, 4, 0),
        voices=(_SINE_BASS, _GUITAR, _VOWEL),
        bass="0.4.0.4.",
        strum="0.0.0.0.",
        lead=("4.2.4.7.", "4...2...", "0.2.4...", "4.2.1.0."),
        drums=("x-x-", "-x-x", "xxxx"),
    ),
    DemoSong(
        stem="night_bus",
        bpm=84.0,
        keyscale="F# minor",
        caption="lo-fi hip hop, mellow electric piano, lazy flute, boom bap drums, late night, relaxed, warm",
        lyrics="[Instrumental]",
        chords=(0, 3, 0, 4),
        voices=(_SINE_BASS, _ELECTRIC_PIANO, _FLUTE),
        bass="0...0.4.",
        strum="0...0...",
        lead=("4.2...0.", "2...4...", "4.7.4.2.", "0......."),
        drums=("x-x-", "-x-x", "xxxx"),
    ),
    DemoSong(
        stem="copper_engine",
        bpm=138.0,
        keyscale="E minor",
        caption="driving industrial rock, fuzz guitar riff, squelching acid lead, pounding drums, aggressive, gritty",
        lyrics="[Instrumental]",
        chords=(0, 0, 5, 0, 3, 0, 0),
        voices=(_SAW_BASS, _FUZZ, _ACID),
        bass="00000000",
        strum="0-00-000",
        lead=("0-0-2-2-4-4-2-2-", "0-2-4-7-4-2-0-0-"),
        drums=("x-xxx-x-", "-x-x", "xxxx"),
    ),
)
