"""The law of the manifest: what was saved is what is loaded."""

import dataclasses
import tempfile
from pathlib import Path
from types import MappingProxyType

from hypothesis import given, settings
from hypothesis import strategies as st

from acetune.data.manifest import Manifest, append_results, compact, load, save
from acetune.data.settings import DatasetSettings
from acetune.data.track import DESCRIPTION, Mark, Source, Track

texts = st.text(max_size=12)
numbers = st.floats(0, 1e6)
jsons = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | numbers | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
columns = {field.name for field in dataclasses.fields(Track)} | {"file_name"}
marks = st.builds(Mark, st.sampled_from(Source), st.none() | st.floats(0, 1), st.none() | texts)
lines = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=12)
paths = lines.map(lambda name: f"a/{name.replace('/', '_')}.wav")
frozen = MappingProxyType
described = {
    "caption": texts,
    "tags": st.lists(texts, max_size=3).map(tuple),
    "genre": texts,
    "recaption": st.dictionaries(texts, texts.filter(bool), min_size=1, max_size=2).map(frozen),
    "lyrics": texts,
    "line_times": st.lists(numbers, max_size=3).map(tuple),
    "bpm": st.floats(0.5, 1e6),
    "keyscale": st.sampled_from(["C major", "F# minor", "Eb minor"]),
    "timesignature": st.sampled_from(["2", "3", "4", "6", "7/8"]),
    "language": st.sampled_from(["en", "zh", "yue"]),
    "instrumental": st.booleans(),
    "trigger": texts,
}
tracks = st.builds(
    Track,
    path=paths,
    seconds=st.floats(0.5, 1000),
    **{name: st.none() | values for name, values in described.items()},
    repeats=st.integers(1, 9),
    split=st.sampled_from([None, "train", "validation"]),
    excluded=st.booleans(),
    owner=st.none() | texts,
    licence=st.none() | texts,
    audio_sha256=st.just("ab" * 32),
    provenance=st.dictionaries(st.sampled_from(DESCRIPTION), marks, max_size=3).map(frozen),
    extra=st.dictionaries(texts.filter(lambda name: name not in columns), jsons, max_size=3).map(frozen),
)
data_sets = st.tuples(
    st.lists(tracks, max_size=4, unique_by=lambda track: track.path).map(tuple),
    st.builds(DatasetSettings, lines, st.none() | lines, st.sampled_from(["prepend", "append", "replace"])),
)


@given(data_sets)
@settings(max_examples=60, deadline=None)
def test_what_was_saved_is_loaded(data):
    with tempfile.TemporaryDirectory() as folder:
        manifest = Manifest(Path(folder), *data)
        save(manifest)

        assert load(Path(folder)) == manifest


@given(tracks, st.sampled_from(sorted(described)), st.data(), marks, st.booleans())
@settings(max_examples=60, deadline=None)
def test_an_appended_result_reads_like_a_value_set_in_memory(track, name, data, mark, overwrite):
    value = data.draw(described[name])
    with tempfile.TemporaryDirectory() as folder:
        save(Manifest(Path(folder), (track,), DatasetSettings("songs")))
        append_results(Path(folder), track.path, {name: value}, {name: mark}, overwrite=overwrite)
        loaded = load(Path(folder))

        assert loaded.tracks == (track.with_value(name, value, mark, overwrite=overwrite),)
        assert compact(Path(folder)) == loaded
        assert load(Path(folder)) == loaded
