import re

import numpy as np
import pytest

from acetune.annotation.key import MAJOR_NAMES, MINOR_NAMES, key
from acetune.annotation.tempo import rhythm
from acetune.audio.files import probe, read_mono
from acetune.audio.scores import SCORES
from acetune.audio.songs import album, demo_songs, render, write_demo_songs
from acetune.data.sidecars import read_sidecars

SONGS = {song.stem: song for song in demo_songs()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    write_demo_songs(demo_songs(), folder)
    return folder


@pytest.fixture(scope="module")
def sounds(folder):
    """All songs as the detectors hear them."""
    return {stem: read_mono(folder / f"{stem}.flac", 22_050) for stem in SONGS}


@pytest.mark.parametrize("stem", SONGS)
def test_the_tempo_of_a_demo_song_is_heard(sounds, stem):
    assert rhythm(sounds[stem]).bpm == pytest.approx(SONGS[stem].bpm, abs=0.1)


@pytest.mark.parametrize("stem", SONGS)
def test_the_metre_of_a_demo_song_is_heard(sounds, stem):
    assert rhythm(sounds[stem]).timesignature == str(SONGS[stem].beats)


@pytest.mark.parametrize("stem", SONGS)
def test_the_key_of_a_demo_song_is_heard(sounds, stem):
    assert key(sounds[stem]).keyscale == SONGS[stem].keyscale


@pytest.mark.parametrize("stem", SONGS)
def test_a_demo_song_is_about_twelve_seconds_of_48_khz_stereo_at_minus_one_decibel(folder, stem):
    info = probe(folder / f"{stem}.flac")

    assert 10.5 < info.seconds < 14.5
    assert (info.rate_hz, info.channels, info.format) == (48_000, 2, "flac")
    assert np.abs(render(SONGS[stem])).max() == pytest.approx(10 ** (-1 / 20), abs=1e-4)


@pytest.mark.parametrize("stem", SONGS)
def test_the_sidecars_of_a_demo_song_are_what_a_scan_reads(folder, stem):
    reading = read_sidecars(folder / f"{stem}.flac")

    assert reading.values["caption"] == SONGS[stem].caption
    assert reading.findings == ()
    assert not {"bpm", "keyscale"} & set(reading.values)


def test_there_are_eight_songs_in_eight_keys_and_tempi():
    assert len(SONGS) == 8
    assert len({song.keyscale for song in SONGS.values()}) == 8
    assert len({song.bpm for song in SONGS.values()}) == 8


def test_nothing_but_audio_and_sidecars_is_written(folder):
    expected = {stem + ending for stem in SONGS for ending in (".flac", ".caption.txt", ".lyrics.txt")}

    assert {file.name for file in folder.iterdir()} == expected


@pytest.mark.parametrize("song", SONGS.values(), ids=SONGS)
def test_a_caption_tells_neither_tempo_nor_key(song):
    keys = {f"{name} {mode}" for mode, names in (("major", MAJOR_NAMES), ("minor", MINOR_NAMES)) for name in names}

    assert not re.search(r"bpm|\d{2}", song.caption, re.IGNORECASE)
    assert not any(key.lower() in song.caption.lower() for key in keys)
    assert song.keyscale in keys


def test_some_songs_are_sung_and_most_are_instrumental():
    sung = [song for song in SONGS.values() if song.lyrics != "[Instrumental]"]

    assert 2 <= len(sung) < 4
    assert all("[Verse 1]" in song.lyrics and "[Chorus]" in song.lyrics for song in sung)


def test_a_song_sounds_the_same_every_time():
    song = SONGS["night_bus"]

    assert np.array_equal(render(song), render(song))


def test_left_and_right_differ():
    audio = render(SONGS["glass_arcade"])

    assert np.abs(audio[:, 0] - audio[:, 1]).max() > 0.05


def test_no_two_songs_share_a_spectrum(sounds):
    shapes = []
    for sound in sounds.values():
        power = np.abs(np.fft.rfft(sound, 1 << 18)) ** 2
        octaves = np.add.reduceat(power, np.unique(np.geomspace(300, len(power) - 1, 30).astype(int)))
        shape = np.log(octaves / octaves.sum())
        shapes.append(shape)
    distances = [np.sqrt(np.mean((a - b) ** 2)) for i, a in enumerate(shapes) for b in shapes[:i]]

    assert min(distances) > np.log(10 ** (2 / 10))  # two decibels


def test_an_album_is_one_band_with_a_tempo_and_songs_of_its_own() -> None:
    songs = album()

    assert {(song.bpm, song.caption, song.voices, song.drums) for song in songs} == {
        (SCORES[0].bpm, SCORES[0].caption, SCORES[0].voices, SCORES[0].drums)
    }
    assert len({(song.keyscale, song.chords, song.lead) for song in songs}) == len(songs) == 8
