import base64
import json
import time

import numpy as np
import pytest

from acetune.annotation.annotator import Setup, Song
from acetune.annotation.clips import encoded
from acetune.annotation.endpoint import EndpointAnnotator, address_of
from acetune.annotation.web import Limits
from acetune.audio.files import read_mono, write
from acetune.data.track import Track
from acetune.errors import DataError, DownloadFailed, SettingError, Stopped
from acetune.events import Job, Noticed
from talker import Answer, talking

TAGS = {
    "genre": ["folk"], "vocals": {"type": "solo", "gender": "male", "style": "warm"}, "instruments": ["guitar"],
    "mood": ["calm"], "timbre": [], "era": "unknown", "production": [], "energy": "low", "language": "de",
    "caption": "A calm folk song.",
}  # fmt: skip
LYRICS = {"language": "de", "lyrics": "[Strophe 1]\nHallo\n[Refrain]\nWelt"}


def question(asked):
    """The words of the last question."""
    content = asked.body["messages"][-1]["content"]
    return content if isinstance(content, str) else content[-1]["text"]


def clip(asked):
    """The audio of a question."""
    return asked.body["messages"][0]["content"][0]["input_audio"]


def said(text, tokens=None, finish="stop"):
    """A reply in the form of the protocol; tokens of the question are counted where they are given."""
    content = text if isinstance(text, str) else json.dumps(text)
    usage = {} if tokens is None else {"usage": {"prompt_tokens": tokens}}
    return Answer(200, {"choices": [{"message": {"content": content}, "finish_reason": finish}], **usage})


def hears(asked):
    """What a server that hears counts: a token for each 1,000 characters of audio."""
    return 20 + len(clip(asked)["data"]) // 1000


def good(asked):
    """A server that does everything right."""
    if "one word" in question(asked):
        return said("ok", hears(asked))
    return said(TAGS if "describe" in question(asked) else LYRICS, hears(asked))


@pytest.fixture
def hear(tmp_path, monkeypatch):
    """Return what the annotator says about a song with this server, and what the server was asked."""
    monkeypatch.setattr("acetune.annotation.endpoint.LIMITS", Limits(seconds=5.0, tries=3, first_pause=0.01))

    def listen(answer, seconds=2.0, events=None, stop=lambda: False, key=None, model="omni", **known):
        path = tmp_path / "song.wav"
        audio = 0.1 * np.random.default_rng(0).standard_normal((round(seconds * 16_000), 1))
        write(path, audio.astype(np.float32), 16_000)
        song = Song(Track(path="song.wav", seconds=seconds, **known), path)
        job = Job((events if events is not None else []).append, stop)
        with talking(answer) as talker:
            setup = Setup(tmp_path, tmp_path, endpoint=talker.address, endpoint_model=model, api_key=key)
            with EndpointAnnotator().opened(setup, job) as opened:
                return opened(song), talker.asked

    return listen


def values(guesses):
    return {name: guess.value for name, guess in guesses.items()}


def test_tags_caption_and_lyrics_are_asked_for_in_two_questions(hear):
    guesses, asked = hear(good)

    assert values(guesses) == {
        "caption": "A calm folk song.",
        "tags": ["folk", "male vocals", "warm vocals", "guitar", "calm", "low energy"],
        "genre": "folk",
        "instrumental": False,
        "language": "de",
        "lyrics": "[Verse 1]\nHallo\n\n[Chorus]\nWelt",
    }
    assert [asked.path for asked in asked] == ["/v1/chat/completions"] * 4
    assert {asked.body["model"] for asked in asked} == {"omni"}


def test_the_song_is_sent_as_audio_that_can_be_played(hear, tmp_path):
    _, asked = hear(good)
    (tmp_path / "got.wav").write_bytes(base64.b64decode(clip(asked[2])["data"]))
    heard = read_mono(tmp_path / "got.wav", 16_000)

    assert clip(asked[2])["format"] == "wav"
    assert np.allclose(heard, read_mono(tmp_path / "song.wav", 16_000), atol=1e-3)


def test_a_long_clip_is_an_mp3_of_the_same_length(tmp_path):
    said = encoded(np.sin(np.arange(16_000 * 31) / 10).astype(np.float32))
    (tmp_path / "got.mp3").write_bytes(base64.b64decode(said.data))

    assert said.format == "mp3"
    assert len(said.data) < 300_000
    assert len(read_mono(tmp_path / "got.mp3", 16_000)) == pytest.approx(16_000 * 31, abs=2000)


def test_only_the_middle_of_a_very_long_song_is_sent(hear, tmp_path, monkeypatch):
    monkeypatch.setattr("acetune.annotation.endpoint.MOST_SECONDS", 3.0)
    _, asked = hear(good, seconds=5, lyrics="la")
    (tmp_path / "got.wav").write_bytes(base64.b64decode(clip(asked[2])["data"]))

    assert len(read_mono(tmp_path / "got.wav", 16_000)) == 3 * 16_000


@pytest.mark.parametrize("known", [{"lyrics": "la"}, {"instrumental": True}], ids=["lyrics", "instrumental"])
def test_lyrics_are_not_asked_for_where_they_are_known_or_cannot_be(hear, known):
    guesses, asked = hear(good, **known)

    assert "lyrics" not in guesses
    assert len(asked) == 3


def test_an_instrumental_is_not_asked_for_its_lyrics(hear):
    def answer(asked):
        return said("ok", hears(asked)) if "one word" in question(asked) else said(TAGS | {"vocals": {"type": "none"}})

    guesses, asked = hear(answer)

    assert guesses["instrumental"].value is True
    assert len(asked) == 3


def test_a_schema_holds_the_answer_and_names_no_tempo(hear):
    _, asked = hear(good)
    forms = [asked.body.get("response_format") for asked in asked]
    schema = forms[2]["json_schema"]["schema"]

    assert forms[:2] == [None, None]
    assert forms[2]["json_schema"]["strict"] is True
    assert set(schema["required"]) == set(schema["properties"])
    assert not {"bpm", "keyscale", "key", "tempo"} & set(schema["properties"])
    assert forms[3]["json_schema"]["name"] == "song_lyrics"


@pytest.mark.parametrize(
    "reason",
    [
        {"error": {"message": "'response_format' of type 'json_schema' is not supported"}},
        {"error": "unknown field response_format"},
        {"detail": "Invalid JSON schema"},
        "failed to parse grammar",
    ],
)
def test_a_server_without_schemas_is_asked_without_and_not_tried_again(hear, reason):
    def answer(asked):
        return Answer(400, reason) if "response_format" in asked.body else good(asked)

    guesses, asked = hear(answer)

    assert guesses["genre"].value == "folk"
    assert ["response_format" in asked.body for asked in asked] == [False, False, True, False, False]


def test_the_other_name_of_the_limit_is_used_where_a_server_names_it(hear):
    def answer(asked):
        if "max_tokens" in asked.body:
            return Answer(400, {"error": {"message": "Use 'max_completion_tokens' instead of 'max_tokens'."}})
        return good(asked)

    guesses, asked = hear(answer)

    assert guesses["genre"].value == "folk"
    assert sum("max_tokens" in asked.body for asked in asked) == 1


def test_an_answer_that_is_no_json_is_asked_for_once_more_with_the_audio(hear):
    def answer(asked):
        if "one word" in question(asked) or len(asked.body["messages"]) == 3:
            return good(asked) if len(asked.body["messages"]) == 1 else said(TAGS)
        return said("It is a folk song, I think.")

    guesses, asked = hear(answer, lyrics="la")
    again = asked[3].body["messages"]

    assert guesses["genre"].value == "folk"
    assert [turn["role"] for turn in again] == ["user", "assistant", "user"]
    assert again[1]["content"] == "It is a folk song, I think."
    assert clip(asked[3]) == clip(asked[2])


def test_a_second_answer_that_is_no_json_ends_this_song(hear):
    def answer(asked):
        return good(asked) if "one word" in question(asked) else said("no")

    with pytest.raises(DataError) as caught:
        hear(answer)

    assert caught.value.code == "listening.no_answer"


@pytest.mark.parametrize(
    "text",
    [
        '```json\n{"genre": ["folk"]}\n```',
        "Here you are: {'genre': ['folk']}",
        '{"genre": ["folk"],}',
        [{"text": '{"genre":"folk"}'}],
    ],
    ids=["fence", "python", "comma", "parts"],
)
def test_json_is_read_as_models_write_it(hear, text):
    def answer(asked):
        if "one word" in question(asked):
            return good(asked)
        return Answer(200, {"choices": [{"message": {"content": text}}]})

    guesses, _ = hear(answer, lyrics="la")

    assert guesses["genre"].value == "folk"


def test_an_answer_that_was_cut_is_mended_and_marked(hear):
    def answer(asked):
        if "one word" in question(asked):
            return good(asked)
        whole = json.dumps(LYRICS if "sung" in question(asked) and "describe" not in question(asked) else TAGS)
        return said(whole[:-8], finish="length")

    guesses, _ = hear(answer)

    assert guesses["lyrics"].value.startswith("[Verse 1]\nHallo")
    assert guesses["lyrics"].notice == guesses["caption"].notice == "listening.cut"
    assert guesses["genre"].notice is None


def test_a_server_that_ignores_audio_is_found_out_before_the_first_song(hear):
    with pytest.raises(SettingError) as caught:
        hear(lambda asked: said("ok", 42))

    assert caught.value.code == "listening.endpoint_deaf"
    assert "omni" in caught.value.message()


def test_a_server_that_counts_no_tokens_is_used_and_reported(hear):
    events = []
    guesses, _ = hear(lambda asked: said("ok" if "one word" in question(asked) else TAGS), events=events, lyrics="la")

    assert guesses["genre"].value == "folk"
    assert [event.code for event in events if isinstance(event, Noticed)] == ["listening.endpoint_unsure"]


@pytest.mark.parametrize("status", [503, 429, 500])
def test_a_server_that_is_busy_for_a_moment_is_asked_again(hear, status):
    busy = iter([True, False, True, False])

    def answer(asked):
        return Answer(status, "busy") if next(busy, False) else good(asked)

    guesses, asked = hear(answer)

    assert guesses["genre"].value == "folk"
    assert len(asked) == 6


def test_a_server_that_stays_busy_ends_the_work(hear):
    with pytest.raises(DownloadFailed) as caught:
        hear(lambda asked: Answer(503, {"error": {"message": "model is loading"}}))

    assert caught.value.code == "listening.endpoint_failed"
    assert "503: model is loading" in caught.value.message()


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key_ends_the_work_and_is_never_shown(hear, status):
    with pytest.raises(SettingError) as caught:
        hear(lambda asked: Answer(status, {"error": {"message": "Incorrect API key: sk-secret"}}), key="sk-secret")

    assert caught.value.code == "listening.endpoint_key"
    assert "sk-secret" not in str(caught.value) + repr(caught.value.params)
    assert "ACETUNE_API_KEY" in caught.value.remedy()


def test_the_key_goes_into_its_header_and_nowhere_else(hear):
    events = []
    _, asked = hear(good, key="sk-secret", events=events)

    assert {asked.headers["authorization"] for asked in asked} == {"Bearer sk-secret"}
    assert "sk-secret" not in json.dumps([asked.body for asked in asked]) + repr(events)


def test_without_a_key_no_key_is_sent(hear):
    _, asked = hear(good)

    assert not any("authorization" in asked.headers for asked in asked)


def test_a_server_that_knows_no_such_model_is_told_with_its_name(hear):
    with pytest.raises(SettingError) as caught:
        hear(lambda asked: Answer(404, {"error": {"message": "model not found"}}))

    assert caught.value.code == "listening.endpoint_unknown"


def test_a_server_that_takes_no_audio_is_told_before_the_first_song(hear):
    with pytest.raises(SettingError) as caught:
        hear(lambda asked: Answer(400, {"error": {"message": "audio input is not supported"}}))

    assert "audio input is not supported" in caught.value.message()


def test_a_song_that_the_server_refuses_costs_itself_alone(hear):
    def answer(asked):
        return good(asked) if "one word" in question(asked) else Answer(413, "too large")

    with pytest.raises(DataError) as caught:
        hear(answer)

    assert caught.value.code == "listening.endpoint_refused"


@pytest.mark.parametrize(
    "body",
    ["<html>", "", "[]", "{}", {"choices": []}, {"choices": [{"message": {"content": None}}]}, b"\xff", "[" * 9999],
)
def test_a_reply_that_is_none_is_an_error_of_one_sentence(hear, body):
    def answer(asked):
        return good(asked) if "one word" in question(asked) else Answer(200, body)

    with pytest.raises(DataError) as caught:
        hear(answer)

    assert caught.value.code == "listening.endpoint_garbled"
    assert "\n" not in caught.value.message()


def test_a_huge_answer_is_not_read(hear):
    def answer(asked):
        return good(asked) if "one word" in question(asked) else said("x" * 6_000_000)

    with pytest.raises(DataError) as caught:
        hear(answer)

    assert caught.value.code == "listening.huge_answer"


def test_a_stop_is_heard_in_a_moment_while_the_server_thinks(hear):
    asked_at = []

    def answer(asked):
        if "one word" in question(asked):
            return good(asked)
        asked_at.append(time.monotonic())
        return Answer(delay=30)

    with pytest.raises(Stopped):
        hear(answer, stop=lambda: bool(asked_at) and time.monotonic() > asked_at[0] + 0.1)

    assert time.monotonic() - asked_at[0] < 5  # a second where the machine has nothing else to do


@pytest.mark.parametrize(("names", "asks"), [(["one"], True), (["one", "two"], False), ([], False)])
def test_the_only_model_of_a_server_need_not_be_named(hear, names, asks):
    def answer(asked):
        return Answer(200, {"data": [{"id": name} for name in names]}) if asked.body is None else good(asked)

    if asks:
        _, asked = hear(answer, model=None)
        assert (asked[0].path, asked[1].body["model"]) == ("/v1/models", "one")
    else:
        with pytest.raises(SettingError, match="--endpoint-model"):
            hear(answer, model=None)


@pytest.mark.parametrize(
    ("endpoint", "address"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/v1"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/v1"),
        ("https://api.example.org/v1/", "https://api.example.org/v1"),
        ("https://api.example.org/v1/chat/completions", "https://api.example.org/v1"),
        ("https://api.example.org/openai/v2", "https://api.example.org/openai/v2"),
        (" http://[::1]:9 ", "http://[::1]:9/v1"),
    ],
)
def test_the_address_may_be_written_with_or_without_its_path(endpoint, address):
    assert address_of(endpoint) == address


@pytest.mark.parametrize(
    "endpoint",
    ["", "localhost:8080", "ftp://x", "http://", "http://x:port", "http://x/?key=1", "http://[::1"]
    + ["http://☃", "http://xn--a", "http://x\0y"],
)
def test_what_is_no_address_is_refused_before_anything_starts(endpoint, tmp_path):
    error = EndpointAnnotator().missing(Setup(tmp_path, tmp_path, endpoint=endpoint))

    assert error.code == "listening.bad_endpoint"


@pytest.mark.parametrize("key", ["sk-secret\n", "sk-secret ", "sk\rsecret", "sk-sécret"])
def test_a_key_that_no_header_can_hold_is_refused_and_not_repeated(key, tmp_path):
    error = EndpointAnnotator().missing(Setup(tmp_path, tmp_path, endpoint="http://x", api_key=key))

    assert error.code == "listening.bad_key"
    assert "cret" not in str(error)


@pytest.mark.parametrize(
    ("endpoint", "code"),
    [
        ("http://me:secret@host:1", "listening.password_in_endpoint"),
        ("http://me:secret@host/?key=secret", "listening.bad_endpoint"),
    ],
)
def test_a_password_in_the_address_is_refused_and_not_repeated(endpoint, code, tmp_path):
    error = EndpointAnnotator().missing(Setup(tmp_path, tmp_path, endpoint=endpoint))

    assert error.code == code
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    ("address", "key", "told"),
    [("http://far.example", "k", True), ("http://far.example", None, False), ("https://far.example", "k", False),
     ("http://localhost:1", "k", False)],
)  # fmt: skip
def test_a_key_that_others_could_read_is_told(address, key, told, tmp_path):
    events = []
    stopping = Job(events.append, lambda: True)
    setup = Setup(tmp_path, tmp_path, endpoint=address, endpoint_model="m", api_key=key)
    with pytest.raises((Stopped, DownloadFailed)), EndpointAnnotator().opened(setup, stopping):
        pass

    assert [event.code for event in events if isinstance(event, Noticed)] == ["listening.key_in_clear"] * told


def test_without_a_server_the_annotator_says_how_to_name_one(tmp_path):
    assert "--endpoint http://" in EndpointAnnotator().missing(Setup(tmp_path, tmp_path)).remedy()
