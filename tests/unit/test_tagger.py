import shutil
import subprocess
import sys

import numpy as np
import pytest

from acetune import compute
from acetune.annotation import clap
from acetune.annotation.annotator import Setup, Song
from acetune.annotation.checkpoints import PUBLISHED
from acetune.annotation.labels import DIMENSIONS, read_labels
from acetune.annotation.tagger import TagsAnnotator, known_voice, windows_of
from acetune.audio.files import write
from acetune.audio.signal import peak_normalise
from acetune.data.track import Mark, Source, Track
from acetune.errors import DataError, MissingDependency, Stopped
from acetune.events import Job, Noticed, Progress
from hearing import knowing_clap, small_clap

RATE = 48_000
TIME = np.arange(10 * RATE) / RATE
NOISE = np.random.default_rng(0).standard_normal(10 * RATE)
SOUNDS = {
    word: peak_normalise(sound.astype(np.float32))
    for word, sound in {
        "organ": sum(np.sin(2 * np.pi * 110 * n * TIME) for n in range(1, 6)),
        "storm": NOISE,
        "drums": NOISE * (TIME % 0.5 < 0.02),
        "singing": np.sin(2 * np.pi * (300 * TIME + 6 * np.sin(2 * np.pi * 5 * TIME))) * np.sin(np.pi * TIME) ** 2,
    }.items()
}
#: Lists of a person that are short enough for the small model: what all others are called is one place to it.
GENRE = "sentences: ['{} music', 'a {} song']\nlabels: [organ, storm, drums, polka]\n"
VOCAL = (
    "sentences: ['voice of {}']\nwindows: best\nlabels: [child, crowd]\n"
    "gate: {instrumental: [drums alone], vocals: [singing somebody]}\n"
)


class World:
    """A workspace whose model knows four sounds."""

    def __init__(self, folder):
        self.setup = Setup(folder / "models", folder / "annotation", device="cpu", offline=True)
        lists = {name: f"sentences: ['{{}}']\nlabels: [{name}a, {name}b]\n" for name in DIMENSIONS}
        lists |= {"genre": GENRE, "vocal": VOCAL}
        (folder / "annotation" / "labels").mkdir(parents=True)
        for name, text in lists.items():
            self.label(name, text)
        sentences = [
            sentence
            for dimension in read_labels(folder / "annotation" / "labels")
            for group in (*dimension.prompts(), *(said for _, said in dimension.gate))
            for sentence in group
        ]
        knowing_clap(folder / "models" / "tags", SOUNDS, sentences)

    def label(self, name, text):
        (self.setup.cache / "labels" / f"{name}.yaml").write_text(text, encoding="utf-8")

    def song(self, word, **values):
        """A song of one sound, or of nothing."""
        path = self.setup.cache.parent / f"{word}.wav"
        if not path.exists():
            write(path, SOUNDS.get(word, np.zeros(10 * RATE, np.float32))[:, None], RATE)
        return Song(Track(path=path.name, seconds=10.0, **values), path)

    def listen(self, *songs, job=None):
        """What the annotator says about songs, and what it told on the way."""
        events = []
        with TagsAnnotator().opened(self.setup, job or Job(events.append)) as hear:
            found = [hear(song) for song in songs]
        return found, [event for event in events if isinstance(event, Noticed)]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Small models wait for each other's threads longer than they compute."""
    with compute.threads(1):
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The workspace, made once; what its model hears in the four sounds is kept there."""
    folder = tmp_path_factory.mktemp("made")
    here = World(folder)
    here.listen(*map(here.song, SOUNDS))
    return folder


@pytest.fixture
def world(made, tmp_path):
    """A copy of the workspace that a test may change."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    here = World.__new__(World)
    here.setup = Setup(tmp_path / "models", tmp_path / "annotation", device="cpu", offline=True)
    return here


def texts_of(world):
    """Vectors of sentences that are kept."""
    (file,) = world.setup.cache.rglob("texts.safetensors")
    return file.read_bytes()


def test_the_sound_that_a_label_means_gets_that_label(world):
    (organ, storm, drums), _ = world.listen(*map(world.song, ("organ", "storm", "drums")))

    assert [found["genre"].value for found in (organ, storm, drums)] == ["organ", "storm", "drums"]
    assert organ["genre"].confidence > 0.9
    assert organ["tags"].value[0] == "organ"


def test_the_same_model_with_other_meanings_gives_other_labels(world):
    world.label("genre", GENRE.replace("[organ, storm, drums, polka]", "[church: organ, weather: storm, polka]"))
    (organ, storm), _ = world.listen(world.song("organ"), world.song("storm"))

    assert (organ["genre"].value, storm["genre"].value) == ("church", "weather")


def test_nobody_sings_where_the_model_hears_no_voice(world):
    (drums, singing), _ = world.listen(world.song("drums"), world.song("singing"))

    assert "instrumental" in drums["tags"].value
    assert "vocals" in singing["tags"].value


def test_lyrics_of_a_file_say_that_somebody_sings_and_the_doubt_is_remarked(world):
    (found,), _ = world.listen(world.song("drums", lyrics="[Verse]\nover the hills"))

    assert "vocals" in found["tags"].value
    assert "instrumental" not in found["tags"].value
    assert found["tags"].notice == "tagging.no_voice"


def test_a_voice_in_an_instrumental_is_remarked(world):
    (found,), _ = world.listen(world.song("singing", instrumental=True))

    assert "instrumental" in found["tags"].value
    assert found["tags"].notice == "tagging.voice"


def test_silence_has_no_tags(world):
    found, told = world.listen(world.song("silence"))

    assert (found, told) == ([{}], [])


def test_dimensions_in_which_nothing_stands_out_stay_empty(world):
    (found,), _ = world.listen(world.song("organ"))

    assert not [tag for tag in found["tags"].value if tag.startswith(("mood", "timbre", "era"))]


def test_each_dimension_tells_how_sure_it_is(world):
    _, (told,) = world.listen(world.song("organ"))

    assert (told.code, told.severity, told.subject) == ("tagging.heard", "info", "organ.wav")
    assert told.params["genre"] == "organ"
    assert 0.9 < told.params["genre_confidence"] <= 1
    assert "genre organ 1.00" in told.message


def test_tags_come_in_the_order_of_the_template(world):
    (world.setup.cache / "prompt.txt").write_text("{vocal}, {genre}", encoding="utf-8")
    (found,), _ = world.listen(world.song("drums"))

    assert found["tags"].value == ["instrumental", "drums"]


def test_a_second_listening_reads_what_is_kept(world):
    first, _ = world.listen(world.song("organ"))
    kept, texts = sorted(world.setup.cache.rglob("*.safetensors")), texts_of(world)
    ages = [path.stat().st_mtime_ns for path in kept]
    second, _ = world.listen(world.song("organ"))

    assert second == first
    assert sorted(world.setup.cache.rglob("*.safetensors")) == kept
    assert [path.stat().st_mtime_ns for path in kept] == ages
    assert texts_of(world) == texts


def test_a_renamed_label_is_heard_at_once(world):
    world.listen(world.song("organ"))
    world.label("genre", GENRE.replace("[organ,", "[waltz: organ,"))
    (found,), _ = world.listen(world.song("organ"))

    assert found["genre"].value == "waltz"


def test_an_edited_label_is_read_anew(world):
    world.listen(world.song("organ"))
    texts = texts_of(world)
    world.label("genre", GENRE.replace("polka", "waltz"))
    world.listen(world.song("organ"))

    assert len(texts_of(world)) == len(texts)
    assert texts_of(world) != texts


def test_other_weights_have_vectors_of_their_own(world):
    world.listen(world.song("organ"))
    small_clap(world.setup.models / "tags", seed=5)
    world.listen(world.song("organ"))

    assert len(list(world.setup.cache.rglob("texts.safetensors"))) == 2


def test_songs_of_all_sorts_take_out_what_fits_every_song(world, made):
    reference = world.setup.cache / "reference"
    reference.mkdir()
    organ = world.song("organ")
    for number in range(30):
        (reference / f"{number}.wav").hardlink_to(organ.path)
    events = []
    (found,), _ = world.listen(organ, job=Job(events.append))

    assert "genre" not in found
    assert [event.done for event in events if isinstance(event, Progress)] == list(range(1, 31))


def test_too_few_songs_of_all_sorts_change_nothing_and_are_remarked(world):
    (world.setup.cache / "reference").mkdir()
    shutil.copy(world.song("organ").path, world.setup.cache / "reference")
    (found,), told = world.listen(world.song("organ"))

    assert found["genre"].value == "organ"
    assert [event.code for event in told] == ["tagging.few_references", "tagging.heard"]


def test_listening_to_songs_of_all_sorts_can_be_stopped(world):
    reference = world.setup.cache / "reference"
    reference.mkdir()
    for number in range(30):
        (reference / f"{number}.wav").hardlink_to(world.song("silence").path)

    with pytest.raises(Stopped):
        world.listen(job=Job(stop_requested=lambda: True))


def test_a_bad_list_is_refused_before_a_model_is_loaded(world):
    world.label("mood", "labels: []")
    with pytest.raises(DataError) as error:
        world.listen()

    assert error.value.code == "tagging.short_list"


def test_without_weights_it_says_what_gets_them(tmp_path):
    setup = Setup(tmp_path, tmp_path, offline=True)
    error = TagsAnnotator().missing(setup)

    assert isinstance(error, MissingDependency)
    assert PUBLISHED["tags"].repository in str(error)


def test_a_model_of_another_kind_is_refused(world):
    (world.setup.models / "tags" / "config.json").write_text('{"model_type": "whisper"}', encoding="utf-8")
    error = TagsAnnotator().missing(world.setup)

    assert error.code == "tagging.no_clap"
    assert '"whisper"' in error.message()


def test_a_model_whose_weights_lack_some_is_refused(world):
    from safetensors.torch import load_file, save_file

    file = world.setup.models / "tags" / "model.safetensors"
    weights = load_file(file)
    weights.pop("audio_projection.linear2.weight")
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(DataError) as error:
        world.listen()

    assert error.value.code == "listening.unloadable"
    assert "audio_projection.linear2.weight" in str(error.value)


def test_a_torn_model_is_refused(world):
    file = world.setup.models / "tags" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(DataError) as error:
        world.listen()

    assert error.value.code == "listening.unloadable"


def test_any_folder_with_a_clap_model_can_be_chosen(world, tmp_path):
    (world.setup.models / "tags").rename(tmp_path / "mine")
    world.setup = Setup(
        world.setup.models, world.setup.cache, device="cpu", model_ids={"tags": str(tmp_path / "mine")}, offline=True
    )
    (found,), _ = world.listen(world.song("organ"))

    assert found["genre"].value == "organ"


def test_the_weights_are_gone_after_the_block(world):
    with clap.opened(world.setup.models / "tags", "cpu") as model:
        assert len(model.read(["organ music"])) == 1

    assert model._model is None


def test_a_model_with_four_views_of_a_sound_hears_it_the_same_beside_others(tmp_path):
    small_clap(tmp_path, enable_fusion=True, fusion_type="aff_2d", enable_patch_fusion=True)
    with clap.opened(tmp_path, "cpu") as model:
        both = model.hear([SOUNDS["organ"], SOUNDS["storm"]])
        alone = [model.hear([SOUNDS[word]])[0] for word in ("organ", "storm")]

    assert both == pytest.approx(np.stack(alone), abs=1e-5)
    assert np.linalg.norm(both, axis=1) == pytest.approx([1, 1])


def test_volume_does_not_matter_and_vectors_have_length_one(world):
    with clap.opened(world.setup.models / "tags", "cpu") as model:
        loud, soft = model.hear([SOUNDS["organ"], np.float32(0.02) * SOUNDS["organ"]])
        read = model.read(["organ music", "no such words"] * 20)

    assert loud == pytest.approx(soft, abs=1e-4)
    assert read.shape == (40, 32)
    assert np.linalg.norm(read, axis=1) == pytest.approx(np.ones(40), abs=1e-5)


@pytest.mark.parametrize(
    ("seconds", "count"), [(0, 0), (0.01, 1), (9.9, 1), (10, 1), (19.9, 1), (20, 2), (85, 8), (300, 8)]
)
def test_a_song_is_heard_in_up_to_eight_windows(seconds, count):
    windows = windows_of(np.full(round(seconds * RATE), 0.1, np.float32))

    assert len(windows) == count
    assert all(len(window) == min(round(seconds * RATE), 10 * RATE) for window in windows)


def test_windows_lie_at_the_centres_of_equal_parts():
    ramp = np.arange(40 * RATE, dtype=np.float32) / RATE

    assert [float(window.mean()) for window in windows_of(ramp)] == pytest.approx([5, 15, 25, 35], abs=0.01)


def test_silent_windows_are_left_out():
    song = np.concatenate([np.zeros(20 * RATE, np.float32), np.full(20 * RATE, 0.1, np.float32)])

    assert len(windows_of(song)) == 2


@pytest.mark.parametrize(
    ("values", "source", "expected"),
    [
        ({}, None, None),
        ({"lyrics": "over the hills"}, None, True),
        ({"lyrics": "over the hills"}, Source.FILE, True),
        ({"lyrics": "over the hills"}, Source.ASR, None),
        ({"lyrics": "[Instrumental]"}, None, None),
        ({"instrumental": True, "lyrics": "over the hills"}, None, False),
        ({"instrumental": False}, Source.MODEL, True),
    ],
)
def test_a_voice_is_known_from_what_people_and_files_say(values, source, expected):
    marks = {"lyrics": Mark(source)} if source else {}

    assert known_voice(Track(path="a.wav", seconds=1.0, provenance=marks, **values)) is expected


def test_neither_torch_nor_transformers_is_imported_before_a_model_is_opened():
    code = "import sys, acetune.annotation.tagger as t; print({'torch', 'transformers', 'yaml'} & set(sys.modules))"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
