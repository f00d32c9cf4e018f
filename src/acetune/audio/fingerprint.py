"""Which recordings are the same, whatever they were encoded with and wherever they begin.

A frame of a fingerprint is 32 bits: the signs of how the difference between neighbouring bands changes from one frame
to the next (Haitsma and Kalker, A Highly Robust Audio Fingerprinting System, ISMIR 2002). Measured bit error rates
against the wav of a song: 0.03 to 0.06 after mp3 and opus, 0.10 to 0.17 where the frames of the two lie half a frame
apart (m4a, whose codec adds 1024 samples, or three seconds cut off the start), up to 0.24 for synthesised songs after
two codecs; 0.40 and above for other songs, excerpts of three seconds included. A song played 5 % faster is another song
to it (0.48), and so is one in another key.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from acetune.audio.signal import Samples

#: What `fingerprint` wants.
RATE_HZ: Final = 5512
#: Same recording below this bit error rate.
MOST_ERRORS: Final = 0.28

#: Shape (frames,); a frame of 0 says nothing (silence, or no change).
Fingerprint: TypeAlias = npt.NDArray[np.uint32]
Places: TypeAlias = npt.NDArray[np.int64] | npt.NDArray[np.uint32]

_WINDOW, _HOP = 2048, 256
FRAMES_PER_SECOND: Final = RATE_HZ / _HOP
_BITS = 32
_NO_WORDS = np.zeros(0, np.uint64)
_BAND_EDGES_HZ = (300.0, 2000.0)
_SILENCE = 1e-4  # -80 dBFS: below, the signs are those of rounding
_CHUNK = 4096

#: A word is compared with this many neighbours of its own kind; words that every song has are no evidence.
_NEIGHBOURS = 8
#: Equal words at one offset that make two songs worth comparing.
_VOTES = 3
_LEAST_FRAMES = 40  # 1.9 s
_LEAST_OVERLAP = 0.5


@dataclass(frozen=True)
class Twins:
    """Two songs that are the same recording.

    Attributes:
        first, second: Their places in the sequence that was searched.
        seconds: How much later the second one's music comes in the first.
        errors: Bit error rate where they overlap.
    """

    first: int
    second: int
    seconds: float
    errors: float


def fingerprint(mono: Samples) -> Fingerprint:
    """Return the fingerprint of audio (samples,) at 5512 Hz: 21.5 frames a second, none below 0.4 s."""
    if len(mono) < _WINDOW + _HOP:
        return np.zeros(0, np.uint32)
    frames = np.lib.stride_tricks.sliding_window_view(mono, _WINDOW)[::_HOP]
    energy = np.concatenate([_band_energies(frames[at : at + _CHUNK]) for at in range(0, len(frames), _CHUNK)])
    across = energy[:, :-1] - energy[:, 1:]
    bits = across[1:] > across[:-1]
    bits[energy[1:].sum(axis=1) < (_SILENCE * _WINDOW / 4) ** 2] = False
    words: Fingerprint = np.packbits(bits, axis=1, bitorder="little").view(np.uint32)[:, 0]
    return words


def find_twins(songs: Sequence[Fingerprint]) -> tuple[Twins, ...]:
    """Return the pairs that are the same recording, the best first.

    All frames of all songs are sorted by their bits; frames that agree exactly vote for a pair and an offset, and only
    pairs with votes are compared. One song may hold the other, if that is at least half of the shorter one.
    """
    found: dict[tuple[int, int], Twins] = {}
    for first, second, offset in _candidates(songs):
        twins = _compare(songs, first, second, offset)
        known = found.get((first, second))
        if twins is not None and (known is None or twins.errors < known.errors):
            found[first, second] = twins
    return tuple(sorted(found.values(), key=lambda twins: (twins.errors, twins.first, twins.second)))


def bit_errors(one: Fingerprint, other: Fingerprint, offset: int) -> tuple[float, int]:
    """Return the bit error rate of two fingerprints, frame ``n + offset`` of one against ``n`` of the other.

    Returns:
        The rate, and the number of frames that were compared; 0.5 where none could be.
    """
    start = max(0, -offset)
    length = min(len(one) - max(0, offset), len(other) - start)
    if length <= 0:
        return 0.5, 0
    a, b = one[max(0, offset) :][:length], other[start:][:length]
    telling = (a != 0) & (b != 0)
    count = int(np.count_nonzero(telling))
    wrong = int(np.bitwise_count(a[telling] ^ b[telling]).sum(dtype=np.int64))
    return (wrong / (_BITS * count), count) if count else (0.5, 0)


def _band_energies(frames: Samples) -> npt.NDArray[np.float32]:
    """Return the energy of 33 bands that are equally wide in pitch, shape (frames, 33)."""
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(_WINDOW).astype(np.float32))))
    edges = np.geomspace(*_BAND_EDGES_HZ, _BITS + 2) * _WINDOW / RATE_HZ
    return np.asarray(np.add.reduceat(power, edges.astype(int), axis=1)[:, :-1], dtype=np.float32)


def _candidates(songs: Sequence[Fingerprint]) -> Iterator[tuple[int, int, int]]:
    """Yield pairs and offsets with enough votes; offsets are those of `bit_errors`."""
    longest = max((len(song) for song in songs), default=0)
    first, second, offset = _equal_words(songs, longest)
    span = 2 * longest + 1
    votes = (first * len(songs) + second) * span + offset + longest
    places, counts = np.unique(votes, return_counts=True)
    for place in places[counts >= _VOTES]:
        pair, shifted = divmod(int(place), span)
        yield (*divmod(pair, len(songs)), shifted - longest)


def _equal_words(songs: Sequence[Fingerprint], longest: int) -> tuple[Places, ...]:
    """Return first song, second song and offset wherever two songs have a word in common."""
    words, owners, frames = _sorted_words(songs, longest)
    pairs: list[tuple[Places, ...]] = []
    for step in range(1, _NEIGHBOURS + 1):
        equal = np.flatnonzero(words[step:] == words[:-step])
        offsets = frames[equal].astype(np.int64) - frames[equal + step]
        pairs.append((owners[equal].astype(np.int64), owners[equal + step].astype(np.int64), offsets))
    return tuple(np.concatenate(part) for part in zip(*pairs, strict=True))


def _sorted_words(songs: Sequence[Fingerprint], longest: int) -> tuple[Places, ...]:
    """Return all words in order, with song and frame of each; of a word that a song repeats only the first.

    Word, song and frame are packed into one number of 64 bits, so that one sort orders all three.
    """
    frame_bits = longest.bit_length()
    packed = np.concatenate([_packed(song, number, frame_bits) for number, song in enumerate(songs)] or [_NO_WORDS])
    packed.sort()
    owned = packed >> frame_bits
    packed = packed[np.flatnonzero(np.diff(owned, prepend=~owned[:1]))]
    low = packed.astype(np.uint32)
    return (packed >> _BITS).astype(np.uint32), low >> frame_bits, low & ((1 << frame_bits) - 1)


def _packed(song: Fingerprint, number: int, frame_bits: int) -> npt.NDArray[np.uint64]:
    """Return word, song and frame of each frame that says something."""
    frames = np.flatnonzero(song).astype(np.uint64)
    packed: npt.NDArray[np.uint64] = (song[frames].astype(np.uint64) << np.uint64(_BITS)) | frames
    return packed | np.uint64(number << frame_bits)


def _compare(songs: Sequence[Fingerprint], first: int, second: int, offset: int) -> Twins | None:
    """Return two songs as twins if they agree at an offset or one frame beside it."""
    shorter = min(len(songs[first]), len(songs[second]))
    least = max(_LEAST_FRAMES, _LEAST_OVERLAP * shorter)
    rates = {}
    for near in (offset - 1, offset, offset + 1):
        rate, count = bit_errors(songs[first], songs[second], near)
        if count >= least:
            rates[near] = rate
    best = min(rates, key=lambda near: rates[near], default=offset)
    if rates.get(best, 1.0) >= MOST_ERRORS:
        return None
    return Twins(first, second, best / FRAMES_PER_SECOND, rates[best])
