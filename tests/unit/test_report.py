"""The report: one page, for every state that a run can be in."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from acetune.errors import SettingError
from acetune.events import StageStarted
from acetune.monitor.chart import Chart, Series, draw, thin, ticks
from acetune.monitor.report import report
from acetune.monitor.summary import summarise
from recorded import LEARNED, STARTED, recorded_run, step_done

_EMPTY = {"meta", "line", "polyline", "polygon", "circle"}


class Page(HTMLParser):
    """Reads a page and notes what is wrong with its nesting."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def page_of(home: Path, run: str = "album", language: str = "en") -> Page:
    return Page(report(run, home=home, language=language).read_text(encoding="utf-8"))


def test_the_report_lies_in_the_run_folder(tmp_path: Path) -> None:
    run = recorded_run(tmp_path)

    assert report("album", home=tmp_path) == run.folder / "report.html"


def test_a_run_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError):
        report("nobody", home=tmp_path)


def test_every_tag_is_closed(tmp_path: Path) -> None:
    recorded_run(tmp_path)

    assert page_of(tmp_path).open == []


def test_the_page_asks_for_nothing_and_runs_nothing(tmp_path: Path) -> None:
    recorded_run(tmp_path)
    page = page_of(tmp_path)
    sources = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")]

    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "iframe", "img", "object"})
    assert all(source and source.startswith("data:audio/") for source in sources)
    assert not any(name.startswith("on") or name == "style" for _, attributes in page.tags for name in attributes)


def test_the_page_allows_only_its_own_style(tmp_path: Path) -> None:
    recorded_run(tmp_path)
    policies = [a["content"] for tag, a in page_of(tmp_path).tags if a.get("http-equiv") == "Content-Security-Policy"]

    assert len(policies) == 1
    assert re.fullmatch(r"default-src 'none'; style-src 'sha256-[\w+/=]+'; media-src data:; .*", policies[0] or "")


def test_a_good_run_says_that_it_learned_and_by_how_much(tmp_path: Path) -> None:
    recorded_run(tmp_path)
    text = page_of(tmp_path).text

    assert "Yes, it learned." in text
    assert "Measured on 8 held-out songs that training never saw" in text
    assert "95 % interval: -0.0301 to -0.0125." in text


@pytest.mark.parametrize(
    ("variant", "said"),
    [
        ("tiny", "learned made-up music, so the verdict means what it says, on a small scale"),
        ("tiny-base", "its sound is noise and the verdict is mechanical"),
    ],
)
def test_what_a_verdict_on_an_embedded_network_is_worth_is_said(variant: str, said: str, tmp_path: Path) -> None:
    recorded_run(tmp_path, values={"model.variant": variant})

    assert said in page_of(tmp_path).text


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"verdict": "worse", "reason": "interval above zero", "low": 0.01, "high": 0.02}, "No, it got worse."),
        ({"verdict": "cannot tell", "reason": "interval spans zero", "high": 0.01}, "it could be chance"),
        ({"verdict": "cannot tell", "reason": "difference too small"}, "is next to nothing"),
        ({"verdict": "cannot tell", "reason": "too few units", "low": None, "high": None}, "Too few for an interval."),
        ({"mode": "windows"}, "held-out windows of seen songs"),
        (
            {"verdict": "cannot tell", "reason": "no validation", "difference": None},
            "Nothing was measured on held-out music",
        ),
        ({"verdict": "cannot tell", "reason": "the moon"}, "the moon"),
        ({"best_step": 20}, "The best checkpoint was an earlier one, of step 20"),
    ],
)
def test_every_verdict_is_explained(tmp_path: Path, changes: dict[str, object], sentence: str) -> None:
    recorded_run(tmp_path, verdict={**LEARNED, **changes})

    assert sentence in page_of(tmp_path).text


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        (None, "Interrupted."),
        ("stopped", "Stopped before its end."),
        ("failed", "Failed before its end."),
        ("done", "Done, without a verdict."),
    ],
)
def test_a_run_without_a_verdict_says_how_it_ended(tmp_path: Path, outcome: str | None, sentence: str) -> None:
    recorded_run(tmp_path, verdict=None, outcome=outcome, upto=23)

    assert sentence in page_of(tmp_path).text


def test_a_run_that_never_began_has_a_report_too(tmp_path: Path) -> None:
    run = recorded_run(tmp_path, verdict=None, outcome=None)
    run.events_file.unlink()
    page = page_of(tmp_path)

    assert "Not started yet." in page.text
    assert "svg" not in {tag for tag, _ in page.tags}


def test_a_run_that_a_process_holds_is_still_training(tmp_path: Path) -> None:
    run = recorded_run(tmp_path, verdict=None, outcome=None, upto=5)
    with run.hold():
        text = page_of(tmp_path).text

    assert "Still training." in text


def test_steps_that_a_resume_made_void_are_not_drawn(tmp_path: Path) -> None:
    run = recorded_run(tmp_path, verdict=None, outcome=None, upto=23)
    run.append_event(StageStarted(stage="train", total=40, unit="steps", resumed_from=20, time=STARTED + 99))
    run.append_event(step_done(21))

    assert [step.step for step in summarise(run).steps] == list(range(1, 22))


def test_losses_that_are_no_numbers_do_not_break_the_curves(tmp_path: Path) -> None:
    run = recorded_run(tmp_path, verdict=None, outcome=None, upto=5)
    run.append_event(type(step_done(6))(**{**vars(step_done(6)), "loss": float("nan")}))
    text = report("album", home=tmp_path).read_text(encoding="utf-8")

    assert 'class="raw" points="' in text
    assert not re.search(r'points="[^"]*nan', text)


def test_before_comes_before_after_and_both_are_inside(tmp_path: Path) -> None:
    recorded_run(tmp_path)
    labels = [attributes["aria-label"] for tag, attributes in page_of(tmp_path).tags if tag == "audio"]

    assert labels == ["Before (without the adapter)", "After (strength 1)"]


def test_audio_that_is_gone_is_said_to_be_gone(tmp_path: Path) -> None:
    run = recorded_run(tmp_path)
    (run.previews / "x1.wav").unlink()

    assert "The audio is not there any more: previews/x1.wav" in page_of(tmp_path).text


def test_only_audio_is_ever_embedded(tmp_path: Path) -> None:
    run = recorded_run(tmp_path)
    text = run.events_file.read_text(encoding="utf-8").replace("previews/x1.wav", "recipe.yaml")
    run.events_file.write_text(text, encoding="utf-8")

    assert len([tag for tag, _ in page_of(tmp_path).tags if tag == "audio"]) == 1


def test_what_people_wrote_is_escaped(tmp_path: Path) -> None:
    recorded_run(tmp_path, caption="<script>alert(1)</script> & 'quotes'")
    page = page_of(tmp_path)

    assert "script" not in {tag for tag, _ in page.tags}
    assert "<script>alert(1)</script> & 'quotes'" in page.text


def test_files_trigger_and_programs_are_named(tmp_path: Path) -> None:
    recorded_run(tmp_path)
    text = page_of(tmp_path).text

    assert "ComfyUI/models/loras" in text
    assert "as in training: zxband" in text
    assert "load_lora_weights" in text
    assert "album_20steps.safetensors comparison" in text


def test_skipped_songs_and_warnings_are_listed_once(tmp_path: Path) -> None:
    recorded_run(tmp_path)
    text = page_of(tmp_path).text

    assert text.count("b.wav lasts 0.20 s.") == 1
    assert "Short songs." in text


def test_held_out_songs_are_listed_with_both_losses(tmp_path: Path) -> None:
    run = recorded_run(tmp_path)
    units = summarise(run).units

    assert len(units) == 8
    assert (units[0].name, round(units[0].base, 3), round(units[0].now, 3)) == ("song 0.ogg", 0.8, 0.78)


def test_what_one_needs_to_repeat_the_run_is_there(tmp_path: Path) -> None:
    recorded_run(tmp_path, values={"data.seed": 1234})
    text = page_of(tmp_path).text

    assert "0123456789abcdef" in text
    assert '"seed": 1234' in text or "seed: 1234" in text


def test_charts_have_a_sentence_and_a_table_for_those_who_cannot_see_them(tmp_path: Path) -> None:
    recorded_run(tmp_path)
    page = page_of(tmp_path)
    tags = [tag for tag, _ in page.tags]

    assert tags.count("svg") == tags.count("figcaption") == tags.count("desc") == 3
    assert page.text.count("Data table") == 3


def test_the_report_speaks_chinese(tmp_path: Path) -> None:
    recorded_run(tmp_path)
    page = page_of(tmp_path, language="zh")

    assert ("html", {"lang": "zh"}) in page.tags
    assert "是的，学会了。" in page.text


def test_thinning_keeps_the_spike_and_the_order() -> None:
    points = tuple((float(n), 5.0 if n == 777 else 1.0) for n in range(5000))
    kept = thin(points, 100)

    assert (777.0, 5.0) in kept
    assert len(kept) <= 100
    assert list(kept) == sorted(kept)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
        (-0.03, 0.005, (-0.03, -0.02, -0.01, 0.0)),
        (0.0, 400.0, (0, 100, 200, 300, 400)),
    ],
)
def test_ticks_are_round_numbers_inside_the_span(low: float, high: float, expected: tuple[float, ...]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


@pytest.mark.parametrize("points", [((1.0, 2.0),), ((1.0, 2.0), (2.0, 2.0)), ((0.0, 0.0),)])
def test_a_flat_curve_can_be_drawn(points: tuple[tuple[float, float], ...]) -> None:
    drawing = draw(Chart("t", "s", "x", "y", (Series("a", "raw", points),)))

    assert drawing.startswith("<svg")
    assert "nan" not in drawing


def test_nothing_is_drawn_of_nothing() -> None:
    assert draw(Chart("t", "s", "x", "y", (Series("a", "raw", ()),))) == ""


def test_sound_that_does_not_fit_into_the_page_is_linked_and_that_is_said(tmp_path: Path) -> None:
    run = recorded_run(tmp_path)
    for path in run.previews.iterdir():
        path.write_bytes(b"0" * 9_000_000)
    path = report("album", home=tmp_path)

    assert path.stat().st_size < 20_000_000
    assert "linked and not embedded" in path.read_text(encoding="utf-8")
