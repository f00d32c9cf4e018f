"""The laws of events: a line gives the event back, and half a line gives nothing."""

from hypothesis import given, settings
from hypothesis import strategies as st

from acetune.events import (
    Noticed,
    PreviewReady,
    Progress,
    Saved,
    StageEnded,
    StageStarted,
    StepDone,
    Validated,
    from_line,
    to_line,
)
from acetune.run import Run

texts = st.text(max_size=20)
numbers = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 10**9)
perhaps = st.none() | counts
times = st.floats(0, 4e9)
jsons = st.recursive(
    st.none() | st.booleans() | counts | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
events = st.one_of(
    st.builds(StageStarted, time=times, stage=texts, total=perhaps, unit=texts, resumed_from=perhaps),
    st.builds(Progress, time=times, stage=texts, done=counts, total=counts, item=texts),
    st.builds(
        StepDone, time=times, step=counts, loss=numbers, lr=numbers, grad_norm=numbers, seconds=numbers, epoch=counts,
        crops=st.lists(st.lists(numbers, min_size=3, max_size=3), max_size=3),
    ),
    st.builds(
        Validated, time=times, step=counts, loss=numbers, base_loss=numbers, difference=numbers,
        low=st.none() | numbers, high=st.none() | numbers, units=counts, best=st.booleans(),
    ),
    st.builds(PreviewReady, time=times, path=texts, caption=texts, strength=numbers, seed=counts, step=perhaps),
    st.builds(Saved, time=times, path=texts, what=texts, step=perhaps),
    st.builds(Noticed, time=times, code=texts, message=texts, severity=texts, subject=texts),
    st.builds(StageEnded, time=times, stage=texts, outcome=texts, result=st.dictionaries(texts, jsons, max_size=3)),
)  # fmt: skip


@given(events)
@settings(max_examples=300, deadline=None)
def test_a_line_gives_the_event_back(event):
    line = to_line(event)

    assert "\n" not in line
    assert from_line(line) == event


@given(events, st.data())
@settings(max_examples=200, deadline=None)
def test_half_a_line_gives_nothing(event, data):
    line = to_line(event)
    cut = data.draw(st.integers(0, len(line) - 1))

    assert from_line(line[:cut]) is None


@given(st.text())
@settings(deadline=None)
def test_no_text_makes_reading_fail(text):
    assert from_line(text) is None


@given(st.lists(events, max_size=6), st.data())
@settings(max_examples=60, deadline=None)
def test_a_run_gives_its_events_back_but_for_a_half_written_last_one(tmp_path_factory, seen, data):
    run = Run(tmp_path_factory.mktemp("run"))
    for event in seen:
        run.append_event(event)
    lost = data.draw(st.integers(0, 40))
    if lost and seen:
        content = run.events_file.read_bytes()
        last = len(content) - len(to_line(seen[-1]).encode()) - 1
        run.events_file.write_bytes(content[: max(last, len(content) - 1 - lost)])
        seen = seen[:-1]

    assert list(run.events()) == seen
