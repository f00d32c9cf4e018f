import json
import sys
import time
from importlib import util

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from acetune import compute
from acetune.annotation import vocals
from acetune.annotation.annotator import Setup, Song
from acetune.annotation.recognisers import RATE_HZ, opened_recogniser
from acetune.annotation.vocals import opened_isolation, pieces, share, voiced
from acetune.annotation.whisper import WhisperAnnotator
from acetune.audio.files import write
from acetune.data.track import Track
from acetune.errors import DataError, MissingDependency, Stopped
from acetune.events import Job
from listeners import save_whisper, sung

LINES = {0.0: "hello there my friend", 2.0: "how are you today", 4.0: ""}


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny tensors are quicker on one."""
    with compute.threads(1):
        yield


@pytest.fixture(scope="module")
def save(tmp_path_factory):
    """Return a function that saves a model once for each text."""
    root, made = tmp_path_factory.mktemp("whisper"), {}

    def get(lines, language="en"):
        key = json.dumps([lines, language])
        if key not in made:
            made[key] = save_whisper(root / str(len(made)), lines, language=language)
        return made[key]

    return get


@pytest.fixture
def hear(save, tmp_path):
    """Return what the annotator says about a song when its model writes these lines in each window of six seconds."""

    def listen(lines, seconds=6.0, job=None, language="en"):
        path = tmp_path / "song.wav"
        write(path, sung(seconds, ((0, seconds),))[:, None], RATE_HZ)
        setup = Setup(tmp_path, tmp_path, device="cpu", model_ids={"whisper": str(save(lines, language))})
        with WhisperAnnotator().opened(setup, job or Job()) as opened:
            return opened(Song(Track(path="song.wav", seconds=seconds), path))

    return listen


def values(guesses):
    return {name: guess.value for name, guess in guesses.items()}


def test_lyrics_come_with_times_language_and_guessed_sections(hear):
    said = hear(LINES)

    assert values(said) == {
        "lyrics": "[Verse 1]\nhello there my friend\nhow are you today",
        "line_times": [0.0, 2.0],
        "language": "en",
        "instrumental": False,
    }
    assert said["lyrics"].confidence == pytest.approx(1.0, abs=0.01)
    assert said["lyrics"].notice == "listening.sections_guessed"


def test_a_song_longer_than_a_window_is_heard_to_its_end(hear):
    said = hear(LINES, seconds=11.0)

    assert said["line_times"].value == [0.0, 2.0, 6.0, 8.0]
    assert said["lyrics"].value.count("hello there my friend") == 2


def test_the_language_is_detected(hear):
    assert hear({0.0: "안녕 그대여", 3.0: ""}, language="ko")["language"].value == "ko"


def test_credits_that_nobody_sang_do_not_become_lyrics(hear):
    assert hear({0.0: "Thanks for watching!", 3.0: ""}) == {}


def test_a_few_words_in_a_minute_are_nothing(save, hear, tmp_path):
    assert hear({0.0: "oh", 6.0: ""}, seconds=6.0) != {}
    setup = Setup(tmp_path, tmp_path, device="cpu", model_ids={"whisper": str(save({0.0: "oh", 6.0: ""}))})
    with WhisperAnnotator().opened(setup, Job()) as opened:
        assert opened(Song(Track(path="song.wav", seconds=61.0), tmp_path / "song.wav")) == {}


def test_lines_in_circles_are_cut_and_trusted_less(hear):
    said = hear({number / 2: "go home now" for number in range(10)} | {5.0: ""})

    assert said["lyrics"].notice == "listening.loop_cut"
    assert said["lyrics"].value.count("go home now") == 2
    assert said["line_times"].value == [0.0, 0.5]
    assert said["lyrics"].confidence == pytest.approx(0.5, abs=0.01)


def test_listening_stops_between_two_windows(hear):
    asked = []

    def stop():
        asked.append(1)
        return len(asked) > 1

    with pytest.raises(Stopped):
        hear(LINES, seconds=60.0, job=Job(stop_requested=stop))

    assert len(asked) < 4


def test_missing_weights_are_told_with_the_command_that_gets_them(tmp_path):
    error = WhisperAnnotator().missing(Setup(tmp_path, tmp_path))

    assert "acetune models get whisper" in error.remedy()


def test_weights_that_are_here_are_enough(save, tmp_path):
    setup = Setup(tmp_path, tmp_path, device="cpu", model_ids={"whisper": str(save(LINES))})

    assert WhisperAnnotator().missing(setup) is None


def test_weights_in_another_form_name_the_package_that_reads_them(tmp_path, monkeypatch):
    folder = tmp_path / "converted"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.bin").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    setup = Setup(tmp_path, tmp_path, model_ids={"whisper": str(folder)})

    assert "acetune[whisper]" in WhisperAnnotator().missing(setup).remedy()


def test_a_checkpoint_without_times_is_refused(tmp_path):
    folder = save_whisper(tmp_path / "old", LINES)
    (folder / "generation_config.json").unlink()
    with pytest.raises(DataError) as caught, opened_recogniser(folder, "cpu", Job()):
        pass

    assert caught.value.code == "listening.unloadable"


def test_another_kind_of_model_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(DataError) as caught, opened_recogniser(tmp_path, "cpu", Job()):
        pass

    assert caught.value.code == "listening.unloadable"


PHRASES = ((1.0, 3.0), (5.0, 6.0), (20.0, 28.0))


def test_phrases_are_found_where_the_voice_sounds():
    assert voiced(sung(30, PHRASES)) == pytest.approx(np.array(PHRASES), abs=0.06)


def test_short_rests_do_not_end_a_phrase_and_a_click_is_none():
    found = voiced(sung(10, ((1.0, 3.0), (3.4, 5.0), (8.0, 8.1))))

    assert found == (pytest.approx((1.0, 5.0), abs=0.06),)


def test_what_is_left_of_the_music_is_no_voice():
    rest = 0.002 * sung(30, ((0, 30),))

    assert voiced(sung(30, PHRASES) + rest) == pytest.approx(np.array(PHRASES), abs=0.06)


@pytest.mark.parametrize("seconds", [0, 0.02, 5])
def test_silence_has_no_phrases(seconds):
    assert voiced(sung(seconds, ())) == ()
    assert share((), seconds) == 0


def test_pieces_are_cut_where_the_voice_rests():
    audio = sung(40, PHRASES)
    found = pieces(audio, PHRASES, 10.0)

    assert [piece.start for piece in found] == pytest.approx([0.8, 19.8])
    assert [len(piece.audio) / RATE_HZ for piece in found] == pytest.approx([5.4, 8.4], abs=0.01)


def test_a_phrase_without_rest_is_cut_into_equal_parts():
    found = pieces(sung(60, ((0, 60),)), ((0.0, 60.0),), 30.0)

    assert len(found) == 3
    assert max(len(piece.audio) for piece in found) <= 30 * RATE_HZ


def test_without_demucs_nobody_isolates_voices(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "demucs", None)

    assert vocals.find(Setup(tmp_path, tmp_path)) is None


@pytest.fixture
def demucs():
    """The package, where it is installed (`acetune[stems]`)."""
    if util.find_spec("demucs") is None:
        pytest.skip("needs acetune[stems]")


def save_demucs(folder, klass="demucs.htdemucs.HTDemucs", **extra):
    """Save a tiny Demucs as its publisher saves the large one."""
    from demucs.htdemucs import HTDemucs

    sizes = {
        "sources": ["drums", "bass", "other", "vocals"], "channels": 4, "depth": 2, "nfft": 512, "t_layers": 0,
        "bottom_channels": 0, "samplerate": 8000, "segment": 1, "dconv_comp": 2, "norm_starts": 9,
    }  # fmt: skip
    torch.manual_seed(0)
    model = HTDemucs(**sizes)
    folder.mkdir()
    facts = {"klass": klass, "args": "[]", "kwargs": json.dumps(sizes), **extra}
    save_file(model.state_dict(), folder / "tiny.safetensors", metadata=facts)
    (folder / "htdemucs.yaml").write_text("models: ['tiny']\n")
    return folder


@pytest.mark.usefixtures("demucs")
def test_the_voice_of_a_song_is_as_long_as_the_song(tmp_path):
    folder = save_demucs(tmp_path / "vocals")
    write(tmp_path / "song.wav", sung(2.5, ((0, 2.5),))[:, None], RATE_HZ)
    assert vocals.find(Setup(tmp_path, tmp_path, model_ids={"vocals": str(folder)})) == folder
    with opened_isolation(folder, "cpu", Job()) as isolate:
        voice = isolate(Song(Track(path="song.wav", seconds=2.5), tmp_path / "song.wav"))

    assert len(voice) == 2.5 * RATE_HZ
    assert np.isfinite(voice).all()


@pytest.mark.usefixtures("demucs")
def test_isolating_stops_between_two_parts(tmp_path):
    folder = save_demucs(tmp_path / "vocals")
    write(tmp_path / "song.wav", sung(20, ((0, 20),))[:, None], RATE_HZ)
    start = time.monotonic()
    job = Job(stop_requested=lambda: time.monotonic() > start + 0.3)
    with opened_isolation(folder, "cpu", job) as isolate, pytest.raises(Stopped):
        isolate(Song(Track(path="song.wav", seconds=20), tmp_path / "song.wav"))


@pytest.mark.usefixtures("demucs")
@pytest.mark.parametrize("changes", [{"klass": "os.system"}, {"structure": "{}"}], ids=["class", "structure"])
def test_weights_that_would_run_other_code_are_refused(tmp_path, changes):
    folder = save_demucs(tmp_path / "vocals", **changes)
    with pytest.raises(DataError) as caught, opened_isolation(folder, "cpu", Job()):
        pass

    assert caught.value.code == "listening.unloadable"


@pytest.mark.usefixtures("demucs")
def test_a_song_without_a_voice_is_instrumental(save, tmp_path):
    folder = save_demucs(tmp_path / "vocals")
    write(tmp_path / "song.wav", sung(8, ())[:, None] + 1e-4, RATE_HZ)
    chosen = {"whisper": str(save(LINES)), "vocals": str(folder)}
    with WhisperAnnotator().opened(Setup(tmp_path, tmp_path, device="cpu", model_ids=chosen), Job()) as opened:
        said = opened(Song(Track(path="song.wav", seconds=8), tmp_path / "song.wav"))

    assert values(said) == {"instrumental": True}


@pytest.mark.slow
def test_faster_whisper_reads_the_same_model(tmp_path):
    pytest.importorskip("faster_whisper")
    converters = pytest.importorskip("ctranslate2.converters")
    source = save_whisper(tmp_path / "source", LINES, seconds=30)
    folder = tmp_path / "converted"
    converters.TransformersConverter(str(source), copy_files=["tokenizer.json", "preprocessor_config.json"]).convert(
        str(folder)
    )
    with opened_recogniser(folder, "cpu", Job()) as recogniser:
        said = recogniser.hear(sung(6, ((0, 6),)), seed=0, job=Job())

    assert said.lines[0].text == "hello there my friend"  # its places are counted otherwise: the model errs after that
    assert said.language == "en"
    assert 0 < said.confidence <= 1


def test_faster_whisper_is_named_where_it_is_missing(tmp_path, monkeypatch):
    (tmp_path / "model.bin").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(MissingDependency), opened_recogniser(tmp_path, "cpu", Job()):
        pass
