import asyncio
import time
from email.utils import formatdate

import pytest

from acetune.annotation.web import Limits, Request, place_of, send
from acetune.errors import DataError, DownloadFailed, Stopped
from acetune.events import Job
from talker import Answer, in_turn, talking

QUICK = Limits(seconds=5.0, most_bytes=10_000, tries=3, first_pause=0.02)


def ask(talker, limits=QUICK, job=None, body=None):
    return send(Request(talker.address, {"X-Key": "k"}, body), limits, job or Job(), "web")


def test_a_question_is_asked_with_its_headers_and_its_answer_is_returned():
    with talking(in_turn(Answer(200, {"a": 1}, {"X-Say": "hi"}))) as talker:
        reply = ask(talker)
        posted = ask(talker, body=b'{"b": 2}')

    assert (reply.status, reply.body, reply.headers["x-say"]) == (200, b'{"a": 1}', "hi")
    assert reply.is_good
    assert posted.is_good
    assert talker.asked[0].headers["x-key"] == "k"
    assert [asked.body for asked in talker.asked] == [None, {"b": 2}]


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504])
def test_what_passes_is_asked_again(status):
    with talking(in_turn(Answer(status), Answer(200, "ok"))) as talker:
        reply = ask(talker)

    assert reply.body == b"ok"
    assert len(talker.asked) == 2


@pytest.mark.parametrize("status", [204, 301, 400, 401, 404, 413, 501])
def test_what_stays_is_returned_at_once(status):
    with talking(in_turn(Answer(status))) as talker:
        reply = ask(talker)

    assert reply.status == status
    assert len(talker.asked) == 1


def test_a_fault_that_stays_is_returned_after_the_last_try():
    with talking(in_turn(Answer(503, "busy"))) as talker:
        reply = ask(talker)

    assert (reply.status, reply.body) == (503, b"busy")
    assert len(talker.asked) == 3


def test_pauses_grow_and_have_a_share_of_chance():
    with talking(in_turn(Answer(503))) as talker:
        ask(talker, Limits(seconds=5.0, tries=3, first_pause=0.2))
    first, second = (
        later.time - sooner.time for sooner, later in zip(talker.asked, talker.asked[1:], strict=False)
    )  # fmt: skip

    assert first >= 0.2
    assert second >= 0.4
    assert second > first


@pytest.mark.parametrize("said", ["0.5", "date"])
def test_a_server_says_when_to_come_back(said):
    when = formatdate(time.time() + 1.6, usegmt=True) if said == "date" else said
    with talking(in_turn(Answer(429, headers={"Retry-After": when}), Answer(200))) as talker:
        ask(talker)

    assert talker.asked[1].time - talker.asked[0].time >= 0.5


@pytest.mark.parametrize("said", ["soon", "-5", ""])
def test_a_time_that_says_nothing_is_passed_over(said):
    with talking(in_turn(Answer(429, headers={"Retry-After": said}), Answer(200))) as talker:
        reply = ask(talker)

    assert reply.status == 200


def test_a_server_that_asks_for_an_hour_is_given_up():
    with talking(in_turn(Answer(429, headers={"Retry-After": "3600"}))) as talker:
        reply = ask(talker)

    assert reply.status == 429
    assert len(talker.asked) == 1


def test_an_answer_that_is_cut_is_asked_for_again():
    with talking(in_turn(Answer(200, "x" * 1000, cut=True), Answer(200, "whole"))) as talker:
        reply = ask(talker)

    assert reply.body == b"whole"


def test_an_answer_that_is_too_large_is_not_read():
    with talking(in_turn(Answer(200, "x" * 50_000))) as talker, pytest.raises(DataError) as caught:
        ask(talker)

    assert caught.value.code == "listening.huge_answer"
    assert len(talker.asked) == 1


def test_packed_answers_are_not_asked_for():
    with talking(in_turn(Answer())) as talker:
        ask(talker)

    assert talker.asked[0].headers["accept-encoding"] == "identity"


def test_a_server_that_takes_too_long_is_given_up():
    with talking(in_turn(Answer(delay=30))) as talker, pytest.raises(DownloadFailed) as caught:
        ask(talker, Limits(seconds=0.2, tries=2, first_pause=0.01))

    assert caught.value.code == "listening.unreachable"
    assert len(talker.asked) == 2


def test_a_server_that_is_not_there_is_named():
    with talking(in_turn(Answer())) as talker:
        pass
    with pytest.raises(DownloadFailed) as caught:
        ask(talker)

    assert talker.address in caught.value.message()
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    "answer",
    [Answer(delay=30), Answer(503), Answer(429, headers={"Retry-After": "50"})],
    ids=["waiting", "pause", "told"],
)
def test_a_stop_is_heard_in_a_moment(answer):
    start = time.monotonic()
    with talking(in_turn(answer)) as talker, pytest.raises(Stopped):
        ask(talker, Limits(tries=9, first_pause=30.0), Job(stop_requested=lambda: time.monotonic() > start + 0.2))

    assert time.monotonic() - start < 5  # a second where the machine has nothing else to do


def test_it_works_where_an_event_loop_runs_already():
    async def inside():
        return ask(talker)

    with talking(in_turn(Answer(200, "ok"))) as talker:
        assert asyncio.run(inside()).body == b"ok"


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080"),
        ("https://u:p@api.example.org/v1?x", "https://api.example.org"),
    ],
)
def test_a_server_is_shown_without_path_and_password(url, place):
    assert place_of(url) == place


def test_a_key_is_not_shown():
    assert "secret" not in repr(Request("http://x", {"Authorization": "Bearer secret"}, b"secret"))


def test_a_header_that_cannot_be_sent_is_not_shown():
    with talking(in_turn(Answer())) as talker, pytest.raises(DownloadFailed) as caught:
        send(Request(talker.address, {"Authorization": "Bearer secret\n"}), QUICK, Job(), "web")

    assert "secret" not in str(caught.value)
