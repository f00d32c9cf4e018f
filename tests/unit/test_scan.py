import json
import os
import random
import sys
import wave
from dataclasses import replace

import pytest

from acetune.data.manifest import append_results, load, update
from acetune.data.scan import scan
from acetune.data.track import Mark, Source
from acetune.errors import DataError, NotWritable, Stopped
from acetune.events import Job, Noticed, Progress, StageEnded, StageStarted


def song(path, seconds=1.0, seed=None):
    """Write noise at a low rate; each name sounds different unless a seed is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = random.Random(str(seed if seed is not None else path)).randbytes(round(seconds * 2000) * 2)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 2000, 0, "NONE", ""))
        file.writeframes(noise)
    return path


def paths(manifest):
    return [track.path for track in manifest.tracks]


def listen(folder, **settings):
    """Scan and return the result with the events."""
    events = []
    return scan(folder, job=Job(events.append), **settings), events


def notices(events):
    return [(event.code, event.subject) for event in events if isinstance(event, Noticed)]


def edit(folder, **values):
    """Change the first row of the manifest by hand."""
    first, *others = (folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    text = "\n".join([json.dumps({**json.loads(first), **values}), *others])
    (folder / "metadata.jsonl").write_text(text, encoding="utf-8")


def test_songs_of_all_folders_are_measured_and_written_down(tmp_path):
    song(tmp_path / "b.wav", 1.5)
    song(tmp_path / "a.WAV")
    song(tmp_path / "live/c.wav")
    result = scan(tmp_path)

    assert paths(result.manifest) == ["a.WAV", "b.wav", "live/c.wav"]
    assert result.added == ("a.WAV", "b.wav", "live/c.wav")
    assert [track.seconds for track in result.manifest.tracks] == [1.0, 1.5, 1.0]
    assert len({track.audio_sha256 for track in result.manifest.tracks}) == 3
    assert load(tmp_path) == result.manifest


def test_files_beside_a_song_describe_it_as_files(tmp_path):
    song(tmp_path / "a.wav")
    (tmp_path / "a.caption.txt").write_text("slow jazz")
    track = scan(tmp_path).manifest.tracks[0]

    assert (track.caption, track.source_of("caption"), track.lyrics) == ("slow jazz", Source.FILE, None)


def test_hidden_files_and_own_output_are_not_read(tmp_path):
    song(tmp_path / "a.wav")
    for hidden in ("._a.wav", ".trash/b.wav", ".acetune/c.wav", "acetune/runs/r/previews/d.wav", "run/e.wav"):
        song(tmp_path / hidden)
    (tmp_path / "acetune/workspace.json").write_text("{}")
    (tmp_path / "run/recipe.yaml").write_text("")

    assert paths(scan(tmp_path).manifest) == ["a.wav"]


def test_files_that_say_nothing_are_listed_as_ignored(tmp_path):
    song(tmp_path / "a.wav")
    for name in ("a.txt", "a.txt.bak", "cover.jpg", "a.lyrics.txt"):
        (tmp_path / name).write_text("la\nla\nla\nla")
    scan(tmp_path)

    assert scan(tmp_path).ignored == {"a.txt.bak": "backup", "cover.jpg": "other"}


def test_what_cannot_be_used_is_skipped_with_its_reason(tmp_path):
    song(tmp_path / "good.wav")
    song(tmp_path / "short.wav", 0.2)
    (tmp_path / "text.mp3").write_text("not music")
    result, events = listen(tmp_path)

    assert paths(result.manifest) == ["good.wav"]
    assert [(s.path, s.code) for s in result.skipped] == [
        ("short.wav", "data.too_short"),
        ("text.mp3", "audio.unreadable"),
    ]
    assert "lasts 0.20 s" in result.skipped[0].reason
    assert notices(events) == [("data.too_short", "short.wav"), ("audio.unreadable", "text.mp3")]


def test_progress_is_told_file_by_file_and_the_end_counts(tmp_path):
    song(tmp_path / "a.wav")
    song(tmp_path / "short.wav", 0.2)
    _, events = listen(tmp_path)
    start, end = events[0], events[-1]

    assert isinstance(start, StageStarted)
    assert (start.stage, start.total) == ("scan", 2)
    assert [(e.done, e.total, e.item) for e in events if isinstance(e, Progress)] == [
        (1, 2, "a.wav"),
        (2, 2, "short.wav"),
    ]
    assert isinstance(end, StageEnded)
    assert end.result == {"tracks": 1, "seconds": 1.0, "added": 1, "dropped": 0, "skipped": 1, "ignored": 0}


def test_half_a_second_is_long_enough(tmp_path):
    song(tmp_path / "a.wav", 0.5)

    assert paths(scan(tmp_path).manifest) == ["a.wav"]


def test_a_song_longer_than_the_model_allows_is_kept_and_noticed(tmp_path):
    song(tmp_path / "a.wav", 700)
    result, events = listen(tmp_path)

    assert paths(result.manifest) == ["a.wav"]
    assert notices(events) == [("data.long", "a.wav")]


def test_an_empty_folder_says_what_was_looked_for_and_where(tmp_path):
    with pytest.raises(DataError) as error:
        scan(tmp_path)

    assert str(tmp_path) in error.value.message()
    assert ".flac" in error.value.message()
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="There is no folder"):
        scan(tmp_path / "gone")


def test_a_folder_without_one_usable_song_says_how_many_and_why(tmp_path):
    song(tmp_path / "a.wav", 0.1)
    song(tmp_path / "b.wav", 0.1)

    with pytest.raises(DataError, match=r"None of the 2 .* a\.wav lasts 0\.10 s"):
        scan(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["a.wav", "b.wav"]


def test_strict_refuses_a_single_bad_song_and_writes_nothing(tmp_path):
    song(tmp_path / "a.wav")
    song(tmp_path / "b.wav", 0.1)

    with pytest.raises(DataError, match=r"1 audio files .* b\.wav"):
        scan(tmp_path, strict=True)
    assert sorted(os.listdir(tmp_path)) == ["a.wav", "b.wav"]


def test_stopping_writes_nothing(tmp_path):
    song(tmp_path / "a.wav")

    with pytest.raises(Stopped):
        scan(tmp_path, job=Job(stop_requested=lambda: True))
    assert os.listdir(tmp_path) == ["a.wav"]


def test_a_second_scan_changes_nothing(tmp_path):
    song(tmp_path / "a.wav")
    (tmp_path / "a_prompt.txt").write_text("jazz, slow")
    first = scan(tmp_path)
    written = (tmp_path / "metadata.jsonl").read_bytes()
    second, events = listen(tmp_path)

    assert second.manifest == first.manifest
    assert (second.added, notices(events)) == ((), [])
    assert (tmp_path / "metadata.jsonl").read_bytes() == written


def test_a_second_scan_keeps_what_a_person_wrote(tmp_path):
    song(tmp_path / "a.wav")
    (tmp_path / "a_prompt.txt").write_text("jazz, slow")
    scan(tmp_path)
    edit(tmp_path, caption="my words", mood="sad", repeats=3, excluded=True)
    append_results(tmp_path, "a.wav", {"bpm": 90.0}, {"bpm": Mark(Source.SIGNAL, 0.7)})
    (track,) = scan(tmp_path).manifest.tracks

    assert (track.caption, track.source_of("caption")) == ("my words", Source.USER)
    assert (track.tags, track.source_of("tags")) == (("jazz", "slow"), Source.FILE)
    assert (track.extra, track.repeats, track.excluded) == ({"mood": "sad"}, 3, True)
    assert (track.bpm, track.provenance["bpm"]) == (90.0, Mark(Source.SIGNAL, 0.7))


def test_a_second_scan_reads_changed_audio_and_changed_files(tmp_path):
    song(tmp_path / "a.wav")
    (tmp_path / "a.caption.txt").write_text("slow")
    (before,) = scan(tmp_path).manifest.tracks
    song(tmp_path / "a.wav", 2.0)
    (tmp_path / "a.caption.txt").write_text("fast")
    (after,) = scan(tmp_path).manifest.tracks

    assert (after.seconds, after.caption) == (2.0, "fast")
    assert after.audio_sha256 != before.audio_sha256


def test_the_order_of_the_manifest_stays_and_new_songs_come_last(tmp_path):
    song(tmp_path / "b.wav")
    song(tmp_path / "c.wav")
    scan(tmp_path)
    update(tmp_path, lambda current: replace(current, tracks=current.tracks[::-1]))
    song(tmp_path / "a.wav")
    result = scan(tmp_path)

    assert paths(result.manifest) == ["c.wav", "b.wav", "a.wav"]
    assert result.added == ("a.wav",)


def test_a_deleted_song_is_dropped_and_noticed(tmp_path):
    song(tmp_path / "a.wav")
    song(tmp_path / "b.wav")
    scan(tmp_path)
    (tmp_path / "b.wav").unlink()
    result, events = listen(tmp_path)

    assert (paths(result.manifest), result.dropped) == (["a.wav"], ("b.wav",))
    assert notices(events) == [("data.gone", "b.wav")]


def test_a_moved_song_takes_its_description_along(tmp_path):
    song(tmp_path / "a.wav")
    scan(tmp_path)
    edit(tmp_path, caption="my words")
    (tmp_path / "live").mkdir()
    (tmp_path / "a.wav").rename(tmp_path / "live/z.wav")
    result, events = listen(tmp_path)

    assert [(t.path, t.caption) for t in result.manifest.tracks] == [("live/z.wav", "my words")]
    assert (result.added, result.dropped) == ((), ())
    assert notices(events) == [("data.moved", "live/z.wav")]


def test_a_copy_does_not_take_the_description_of_a_song_that_stayed(tmp_path):
    song(tmp_path / "a.wav", seed=1)
    scan(tmp_path)
    edit(tmp_path, caption="my words")
    song(tmp_path / "copy.wav", seed=1)

    assert [track.caption for track in scan(tmp_path).manifest.tracks] == ["my words", None]


def test_a_listed_song_that_became_unreadable_is_skipped_but_keeps_its_row(tmp_path):
    song(tmp_path / "a.wav")
    song(tmp_path / "b.wav")
    scan(tmp_path)
    edit(tmp_path, caption="my words")
    (tmp_path / "a.wav").write_text("damaged")
    result = scan(tmp_path)

    assert [track.caption for track in result.manifest.tracks] == ["my words", None]
    assert [skip.path for skip in result.skipped] == ["a.wav"]
    assert result.dropped == ()


def test_a_list_of_songs_written_by_hand_is_measured_and_kept(tmp_path):
    song(tmp_path / "a.wav")
    rows = [{"file_name": "a.wav", "text": "jazz", "caption": "slow"}, {"file_name": "gone.wav"}]
    (tmp_path / "metadata.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    result = scan(tmp_path)
    (track,) = result.manifest.tracks

    assert (track.seconds, track.caption, track.extra) == (1.0, "slow", {"text": "jazz"})
    assert (result.added, result.dropped) == ((), ("gone.wav",))


def test_a_damaged_sidecar_is_noticed_and_the_song_stays(tmp_path):
    song(tmp_path / "a.wav")
    (tmp_path / "a.json").write_text("{")
    result, events = listen(tmp_path)

    assert paths(result.manifest) == ["a.wav"]
    assert notices(events) == [("data.sidecar_unreadable", "a.wav")]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has file names that are no text")
def test_a_file_name_that_is_no_text_is_skipped_with_its_reason(tmp_path):
    song(tmp_path / "a.wav")
    os.rename(song(tmp_path / "b.wav"), os.path.join(os.fsencode(tmp_path), b"\xff.wav"))
    result = scan(tmp_path)

    assert [(skip.path, skip.code) for skip in result.skipped] == [("?.wav", "data.bad_name")]


def test_a_link_that_leads_nowhere_is_skipped_with_its_reason(tmp_path):
    song(tmp_path / "a.wav")
    try:
        (tmp_path / "b.wav").symlink_to(tmp_path / "gone.wav")
    except OSError:
        pytest.skip("links are not allowed here")

    assert [skip.path for skip in scan(tmp_path).skipped] == ["b.wav"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_named(tmp_path):
    song(tmp_path / "a.wav")
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(NotWritable):
            scan(tmp_path)
    finally:
        tmp_path.chmod(0o700)


def test_many_songs_are_measured_in_processes_and_keep_their_order(tmp_path):
    names = [f"{number}.wav" for number in range(9)]
    for number, name in enumerate(names):
        song(tmp_path / name, 0.2 if number == 4 else 1 + number / 10)
    result, events = listen(tmp_path)
    progress = [event for event in events if isinstance(event, Progress)]

    assert paths(result.manifest) == [name for name in names if name != "4.wav"]
    assert [skip.path for skip in result.skipped] == ["4.wav"]
    assert ([event.done for event in progress], {event.item for event in progress}) == ([*range(1, 10)], set(names))


def test_songs_that_were_encoded_elsewhere_stay_as_they_are(tmp_path):
    song(tmp_path / "a.wav")
    for name in ("e.safetensors", "unlisted.safetensors"):
        (tmp_path / name).write_bytes(b"numbers")
    rows = [{"file_name": name, "seconds": 9.5, "audio_sha256": "ab"} for name in ("e.safetensors", "gone.safetensors")]
    (tmp_path / "metadata.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    result = scan(tmp_path)

    assert [(track.path, track.seconds) for track in result.manifest.tracks] == [("e.safetensors", 9.5), ("a.wav", 1.0)]
    assert (result.dropped, dict(result.ignored)) == (("gone.safetensors",), {"unlisted.safetensors": "other"})


def test_a_folder_of_nothing_but_encoded_songs_can_be_scanned(tmp_path):
    (tmp_path / "e.safetensors").write_bytes(b"numbers")
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "e.safetensors", "seconds": 9.5, "audio_sha256": "ab"}')

    assert paths(scan(tmp_path).manifest) == ["e.safetensors"]


def test_how_each_file_was_read_is_in_the_result(tmp_path):
    song(tmp_path / "live/a.wav")
    (tmp_path / "live/a.txt").write_text("caption: x")
    (tmp_path / "list.csv").write_text("file,bpm\na.wav,90\n")

    assert [(reading.file, reading.layout) for reading in scan(tmp_path).readings] == [
        ("list.csv", "csv"),
        ("live/a.txt", "key_value"),
    ]


def test_why_a_file_was_not_read_is_in_the_result(tmp_path):
    song(tmp_path / "a.wav")
    for name in ("a.txt", "gone.lyrics.txt", "b.txt.bak", "cover.jpg"):
        (tmp_path / name).write_text("just words")

    assert scan(tmp_path).ignored == {
        "a.txt": "doubtful",
        "b.txt.bak": "backup",
        "cover.jpg": "other",
        "gone.lyrics.txt": "no_song",
    }


def test_texts_that_could_be_anything_are_one_finding_that_names_the_flag(tmp_path):
    for name in ("a", "b", "c"):
        song(tmp_path / f"{name}.wav")
        (tmp_path / f"{name}.txt").write_text("just words")
    (tmp_path / "c.lyrics").write_text("la")
    result, events = listen(tmp_path)

    assert notices(events) == [("import.txt_ambiguous", "")]
    assert [track.caption for track in result.manifest.tracks] == [None, None, "just words"]
    assert [track.caption for track in scan(tmp_path, txt_means="caption").manifest.tracks] == ["just words"] * 3


def test_files_that_do_not_agree_are_one_note_with_an_example_and_all_in_the_result(tmp_path):
    for name in ("a", "b"):
        song(tmp_path / f"{name}.wav")
        (tmp_path / f"{name}.json").write_text('{"caption": "one"}')
        (tmp_path / f"{name}.caption.txt").write_text("two")
    result, events = listen(tmp_path)
    (note,) = [event for event in events if isinstance(event, Noticed)]

    assert (note.code, note.severity, note.params["count"], note.params["file"]) == (
        "import.conflict",
        "info",
        2,
        "a.json",
    )
    assert [(name, conflict.field) for name, found in result.conflicts.items() for conflict in found] == [
        ("a.wav", "caption"),
        ("b.wav", "caption"),
    ]


def test_rows_of_songs_that_are_not_there_are_a_finding(tmp_path):
    song(tmp_path / "a.wav")
    (tmp_path / "list.csv").write_text("file,bpm\na.wav,90\ngone.wav,91\ngone too.wav,92\n")
    _, events = listen(tmp_path)

    assert [(event.code, event.params["count"]) for event in events if isinstance(event, Noticed)] == [
        ("import.rows_lost", 2)
    ]


def test_repeats_of_a_file_are_taken_and_those_of_a_person_stay(tmp_path):
    for name in ("a", "b"):
        song(tmp_path / f"{name}.wav")
        (tmp_path / f"{name}.txt").write_text("caption: x\nrepeat: 3")
    first = scan(tmp_path).manifest.tracks
    edit(tmp_path, repeats=5)
    (tmp_path / "b.txt").write_text("caption: x\nrepeat: 4")

    assert [track.repeats for track in first] == [3, 3]
    assert [track.repeats for track in scan(tmp_path).manifest.tracks] == [5, 4]


def test_a_file_that_is_called_after_another_song_belongs_to_that(tmp_path):
    song(tmp_path / "a.wav")
    song(tmp_path / "a_lyrics.wav")
    (tmp_path / "a_lyrics.txt").write_text("caption: x")
    tracks = scan(tmp_path).manifest.tracks

    assert [(track.path, track.caption, track.lyrics) for track in tracks] == [
        ("a.wav", None, None),
        ("a_lyrics.wav", "x", None),
    ]


def test_endings_in_capitals_and_accents_in_two_parts_are_no_hindrance(tmp_path):
    song(tmp_path / "caf\u00e9.wav")
    (tmp_path / "cafe\u0301.CAPTION.TXT").write_text("slow")

    assert scan(tmp_path).manifest.tracks[0].caption == "slow"


def test_a_settings_trigger_of_a_person_stays(tmp_path):
    song(tmp_path / "a.wav")
    scan(tmp_path)
    update(tmp_path, lambda current: replace(current, settings=replace(current.settings, trigger="mine")))
    metadata = {"custom_tag": "theirs", "tag_position": "append"}
    (tmp_path / "dataset.json").write_text(json.dumps({"metadata": metadata, "samples": [{"file": "a.wav"}]}))

    assert scan(tmp_path).manifest.settings.trigger == "mine"


@pytest.mark.parametrize("unread", ["a.json", "list.json", "list.csv"])
def test_one_damaged_file_hides_no_other(tmp_path, unread):
    song(tmp_path / "a.wav")
    (tmp_path / unread).write_bytes(b"\x81\xff\xff")
    (tmp_path / "a.caption.txt").write_text("slow")
    result, events = listen(tmp_path)

    assert result.manifest.tracks[0].caption == "slow"
    assert [code for code, _ in notices(events)] == ["data.sidecar_unreadable"]
