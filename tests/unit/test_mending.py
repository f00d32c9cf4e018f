"""A mended copy is equally loud, has no offset and no silent ends; everything that is known goes along."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from acetune.audio import files
from acetune.audio.faults import examine
from acetune.audio.loudness import loudness, true_peak
from acetune.audio.signal import peak_normalise, resample
from acetune.audio.songs import demo_songs, render
from acetune.cli.main import main
from acetune.data import manifest as manifests
from acetune.data.mending import mend
from acetune.data.scan import scan
from acetune.data.track import Mark, Source
from acetune.errors import DataError, Stopped
from acetune.events import Job, Noticed, Progress
from encoder import encode

RATE = 24_000
ROW = {
    "caption": "dreamy pop", "lyrics": "[verse]\nla la\nlo lo\nli li", "line_times": [0.5, 2.5, 5.0, 6.0], "bpm": 97.5,
    "keyscale": "Eb minor", "language": "en", "repeats": 3, "owner": "me", "mood": ["calm", 7], "excluded": False,
}  # fmt: skip


def still(seconds):
    return np.zeros((round(seconds * RATE), 2), np.float32)


@pytest.fixture(scope="module")
def song():
    """Three seconds of a song whose peaks leave room."""
    audio = resample(render(demo_songs()[4])[48_000 : 4 * 48_000], 48_000, RATE)
    return 0.3 * np.tanh(4 * audio).astype(np.float32)


@pytest.fixture
def make(tmp_path, song):
    """Return a scanned data set with songs of this sound, by name."""

    def make(**sounds):
        folder = tmp_path / "songs"
        for name, audio in sounds.items():
            path = folder / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix in (".mp3", ".m4a"):
                encode(path, audio, RATE, kbps=96)
            else:
                files.write(path, audio, RATE)
        scan(folder)
        return folder

    return make


def read(folder, name):
    return files.read(folder / name, RATE)


def test_songs_come_to_one_loudness_below_the_ceiling(make, song, tmp_path):
    done = mend(make(a_wav=song, b_wav=0.1 * song, c_mp3=0.5 * song), workers=0)

    assert done.folder == tmp_path / "songs-fixed"
    assert [song.path for song in done.mended.values()] == ["a.flac", "b.flac", "c.flac"]
    assert [loudness(read(done.folder, f"{name}.flac"), RATE) for name in "abc"] == pytest.approx([-14] * 3, abs=0.1)
    assert max(true_peak(read(done.folder, f"{name}.flac"), RATE) for name in "abc") < -0.99


def test_another_target_may_be_chosen(make, song):
    done = mend(make(a_wav=song), lufs=-20, workers=0)

    assert loudness(read(done.folder, "a.flac"), RATE) == pytest.approx(-20, abs=0.1)


def test_what_peaks_do_not_allow_is_told_and_not_limited(make, song):
    audio = 0.05 * song
    audio[RATE] = 0.8
    heard: list[object] = []
    done = mend(make(a_wav=audio), job=Job(heard.append), workers=0)
    (notice,) = [event for event in heard if isinstance(event, Noticed)]
    written = read(done.folder, "a.flac")

    assert done.mended["a.wav"].missed_db == pytest.approx(-14 - loudness(written, RATE), abs=0.1)
    assert notice.code == "check.target_missed"
    assert np.allclose(written / written[RATE], audio / audio[RATE], atol=1e-4)


def test_an_offset_is_subtracted(make, song):
    done = mend(make(a_wav=song + np.array([0.02, -0.01], np.float32)), workers=0)

    assert done.mended["a.wav"].dc == pytest.approx(0.02, abs=0.002)
    assert examine(read(done.folder, "a.flac"), RATE).dc < 1e-4


def test_silence_is_cut_off_the_ends_and_never_inside(make, song):
    inner = np.concatenate([song[:RATE], still(2), song[RATE:]])
    done = mend(make(a_wav=np.concatenate([still(2), inner, still(1.5)])), workers=0)
    health = examine(read(done.folder, "a.flac"), RATE)
    mended = done.mended["a.wav"]

    assert (mended.start, mended.end) == (pytest.approx(1.8, abs=0.06), pytest.approx(1.3, abs=0.06))
    assert (health.lead, health.tail) == (pytest.approx(0.2, abs=0.06), pytest.approx(0.2, abs=0.06))
    assert mended.seconds == pytest.approx(len(inner) / RATE + 0.4, abs=0.12)


def test_a_song_that_is_all_silent_stays_as_it_is(make, song):
    done = mend(make(a_wav=song, b_wav=still(3)), workers=0)

    assert done.copied == ("b.wav",)


def test_songs_that_need_nothing_are_copied_byte_by_byte(make, song):
    first = mend(make(a_wav=song, b_mp3=0.2 * song), workers=0)
    second = mend(first.folder, workers=0)

    assert second.mended == {}
    assert {path.name: path.read_bytes() for path in second.folder.glob("*.flac")} == {
        path.name: path.read_bytes() for path in first.folder.glob("*.flac")
    }


def test_the_originals_are_never_touched(make, song):
    folder = make(a_wav=song, b_mp3=0.2 * song)

    def state():
        return {p: hashlib.sha256(p.read_bytes()).digest() for p in sorted(folder.rglob("*")) if p.is_file()}

    before = state()
    mend(folder, workers=0)

    assert state() == before


def test_everything_that_is_known_goes_along(make, song):
    folder = make(sub__a_wav=np.concatenate([still(2), song]))
    manifest = manifests.load(folder)
    row = json.loads((folder / "metadata.jsonl").read_text())
    (folder / "metadata.jsonl").write_text(json.dumps({**row, **ROW}) + "\n")
    before = manifests.load(folder)
    before = replace(before, settings=replace(before.settings, trigger="zxband"))
    marks = {"caption": Mark(Source.MODEL, 0.5), "bpm": Mark(Source.SIGNAL)}
    manifests.save(replace(before, tracks=(replace(before.tracks[0], provenance=marks),)))
    (track,) = manifests.load(folder).tracks
    done = mend(folder, workers=0)
    after = manifests.load(done.folder)
    mended = done.mended["sub/a.wav"]

    assert manifest.tracks[0].extra == {}
    assert after.settings == before.settings
    assert after.tracks == (
        replace(
            track,
            path="sub/a.flac",
            seconds=mended.seconds,
            audio_sha256=mended.sha256,
            line_times=tuple(max(0.0, time - mended.start) for time in (0.5, 2.5, 5.0, 6.0)),
        ),
    )
    assert hashlib.sha256((done.folder / "sub/a.flac").read_bytes()).hexdigest() == mended.sha256
    assert after.tracks[0].line_times[1] == pytest.approx(0.7, abs=0.06)


def test_a_scan_of_the_copy_changes_nothing(make, song):
    folder = make(a_wav=song)
    (folder / "a.json").write_text('{"caption": "dreamy", "bpm": 90}')
    scan(folder)
    done = mend(folder, workers=0)
    before = manifests.load(done.folder)
    scan(done.folder)

    assert manifests.load(done.folder) == before
    assert before.tracks[0].caption == "dreamy"


def test_one_channel_stays_one_channel(make, song):
    done = mend(make(a_wav=song[:, :1]), workers=0)

    assert files.probe(done.folder / "a.flac").channels == 1


@pytest.mark.parametrize("names", [("a_mp3", "a_wav"), ("a_mp3", "A_wav"), ("a_flac", "a_wav")])
def test_songs_with_one_stem_get_two_names(names, make, song):
    done = mend(make(**{name: (0.2 + 0.1 * place) * song for place, name in enumerate(names)}), workers=0)
    paths = [song.path.casefold() for song in done.mended.values()]

    assert len(set(paths)) == 2
    assert all((done.folder / song.path).is_file() for song in done.mended.values())


def test_only_the_songs_that_were_asked_for_are_mended(make, song):
    done = mend(make(a_wav=0.1 * song, b_wav=0.1 * song), tracks=["b*"], workers=0)

    assert [*done.mended] == ["b.wav"]
    assert done.copied == ("a.wav",)


def test_a_song_that_cannot_be_read_is_copied_and_told(make, song):
    folder = make(a_wav=0.1 * song, b_wav=song)
    (folder / "b.wav").write_bytes(b"no music")
    heard: list[object] = []
    done = mend(folder, job=Job(heard.append), workers=0)

    assert [skip.path for skip in done.skipped] == ["b.wav"]
    assert (done.folder / "b.wav").read_bytes() == b"no music"
    assert [event.code for event in heard if isinstance(event, Noticed)] == ["check.not_mended"]
    assert [track.path for track in manifests.load(done.folder).tracks] == ["a.flac", "b.wav"]


def test_a_stop_leaves_no_copy(make, song, tmp_path):
    folder = make(a_wav=0.1 * song, b_wav=0.1 * song)
    heard: list[object] = []

    with pytest.raises(Stopped):
        mend(folder, job=Job(heard.append, lambda: any(isinstance(event, Progress) for event in heard)), workers=0)
    assert [path.name for path in tmp_path.iterdir()] == ["songs"]


@pytest.mark.parametrize(("out", "code"), [("used", "check.copy_exists"), ("songs/inside", "check.copy_inside")])
def test_a_copy_has_a_folder_of_its_own(out, code, make, song, tmp_path):
    folder = make(a_wav=song)
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine.txt").write_text("mine")

    with pytest.raises(DataError) as caught:
        mend(folder, tmp_path / out, workers=0)
    assert caught.value.code == code
    assert [path.name for path in (tmp_path / "used").iterdir()] == ["mine.txt"]


def test_an_empty_folder_may_be_used(make, song, tmp_path):
    (tmp_path / "empty").mkdir()

    assert mend(make(a_wav=song), tmp_path / "empty", workers=0).folder == tmp_path / "empty"


def test_songs_are_mended_in_processes_of_their_own(make, song):
    folder = make(a_wav=0.1 * song, b_wav=0.2 * song)
    apart, here = mend(folder, f"{folder}-1", workers=2), mend(folder, f"{folder}-2", workers=0)

    assert apart.mended == here.mended


def test_the_command_writes_the_copy_and_says_so(make, song, capsys, tmp_path):
    folder = make(a_wav=0.1 * song)
    code = main(["data", "check", str(folder), "--fix", "--out", str(tmp_path / "copy"), "--workers", "0", "--quiet"])
    shown = capsys.readouterr().out

    assert code == 0
    assert "1 songs mended, 0 copied as they are" in shown
    assert Path(tmp_path / "copy" / "a.flac").is_file()


def test_a_folder_for_the_copy_without_fix_is_refused(make, song, capsys):
    code = main(["data", "check", str(make(a_wav=song)), "--out", "copy"])

    assert code == 2
    assert "--fix" in capsys.readouterr().err


def test_peaks_above_full_scale_are_not_clipped(make, song, tmp_path):
    folder = make(a_wav=song)
    loud = np.concatenate([still(1), 1.6 * peak_normalise(song, 0)])
    with soundfile.SoundFile(folder / "a.wav", "w", RATE, 2, "FLOAT", format="WAV") as out:
        out.write(loud)
    scan(folder)
    done = mend(folder, workers=0)
    written = read(done.folder, "a.flac")

    assert examine(written, RATE).clipped_runs == 0
    assert true_peak(written, RATE) < -0.9
