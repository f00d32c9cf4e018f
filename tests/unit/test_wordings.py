import pytest

from acetune.data.settings import DatasetSettings
from acetune.data.track import Track
from acetune.data.wordings import VARIANTS, drawn, wordings
from acetune.errors import SettingError
from acetune.sections import DataSection

TAGS = ("ambient", "slow", "pads", "dreamy", "night")
FULL = {"caption": "warm pads", "tags": TAGS, "genre": "ambient", "recaption": {"simplified": "pads", "use_cases": " "}}


def texts(values, trigger=None, position="prepend", **knobs):
    track = Track(path="a.wav", seconds=60, **values)
    return wordings(track, DatasetSettings("set", trigger, position), DataSection(**knobs))


def words(text):
    return text.split(", ")


def test_only_what_can_be_drawn_is_offered():
    assert texts(FULL, tags_share=0) == {"caption": "warm pads"}


def test_every_way_of_saying_it_has_the_trigger_once():
    offered = texts(FULL, "zx", genre_share=0.1, recaption_share=0.1)

    assert offered == {
        "caption": "zx, warm pads",
        "tags": "zx, ambient, slow, pads, dreamy, night",
        "genre": "zx, ambient",
        "recaption.simplified": "zx, pads",
    }


def test_shuffled_tags_are_the_same_tags_in_other_orders():
    variants = texts(FULL, tag_shuffle=True)
    orders = [tuple(words(text)) for form, text in variants.items() if form.startswith("tags.")]

    assert len(orders) == VARIANTS
    assert len(set(orders)) > VARIANTS // 2
    assert {tuple(sorted(order)) for order in orders} == {tuple(sorted(TAGS))}


def test_thinned_tags_keep_their_order():
    variants = [words(text) for form, text in texts(FULL, tag_dropout=0.5).items() if form != "caption"]

    assert all(list(filter(set(text).__contains__, TAGS)) == text for text in variants)
    assert 1 < sum(map(len, variants)) / VARIANTS < len(TAGS)


@pytest.mark.parametrize("position", ["prepend", "append"])
@pytest.mark.parametrize("trigger", ["zx", "zx, lofi"])
@pytest.mark.parametrize("tags", [TAGS, ("ZX", *TAGS), (*TAGS, "lofi", "zx"), ("zx",)])
def test_the_trigger_is_never_dropped_doubled_or_moved(tags, trigger, position):
    offered = texts({"tags": tags}, trigger, position, tag_shuffle=True, tag_dropout=0.9)
    parts = words(trigger)

    assert all(sum(word.casefold() in parts for word in words(text)) >= len(parts) for text in offered.values())
    varied = [words(text) for form, text in offered.items() if form != "caption"]
    assert all(text.count(part) == 1 for text in varied for part in parts)
    assert all((text[: len(parts)] if position == "prepend" else text[-len(parts) :]) == parts for text in varied)


def test_without_a_trigger_one_tag_remains():
    assert all(texts({"tags": TAGS}, tag_dropout=0.99).values())


@pytest.mark.parametrize("caption", [None, "ambient, slow,pads, dreamy, night"])
def test_a_track_with_nothing_but_tags_shows_them_varied_at_every_visit(caption):
    values, knobs = {"caption": caption, "tags": TAGS}, {"tags_share": 0, "tag_shuffle": True}
    offered, track, data = texts(values, **knobs), Track(path="a.wav", seconds=60, **values), DataSection(**knobs)

    assert {drawn(track, offered, data, 0.99, v / 8) for v in range(8)} == {f"tags.{number}" for number in range(8)}


def test_equal_tags_make_equal_texts_whatever_the_seed():
    one, two = (texts(FULL, tag_shuffle=True, tag_dropout=0.3, seed=seed) for seed in (1, 2))

    assert one == two


@pytest.mark.parametrize(
    ("u", "form"), [(0.0, "tags"), (0.29, "tags"), (0.31, "genre"), (0.51, "recaption.simplified"), (0.61, "caption")]
)
def test_shares_lie_behind_one_another(u, form):
    data = DataSection(tags_share=0.3, genre_share=0.2, recaption_share=0.1)
    track = Track(path="a.wav", seconds=60, **FULL)

    assert drawn(track, texts(FULL, tags_share=0.3, genre_share=0.2, recaption_share=0.1), data, u, 0.5) == form


@pytest.mark.parametrize("u", [0.0, 0.99])
def test_what_a_track_lacks_is_its_caption(u):
    data = DataSection(tags_share=0.5, genre_share=0.5)
    track = Track(path="a.wav", seconds=60, caption="piano")

    assert drawn(track, texts({"caption": "piano"}, tags_share=0.5, genre_share=0.5), data, u, 0.5) == "caption"


def test_shares_above_one_are_refused():
    with pytest.raises(SettingError, match="more than 1") as refused:
        texts(FULL, tags_share=0.6, genre_share=0.5)

    assert refused.value.exit_code == 2


def test_shares_may_fill_every_visit():
    assert texts(FULL, tags_share=0.1, genre_share=0.2, recaption_share=0.7)
