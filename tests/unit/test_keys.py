import pytest

from acetune.data.keys import parse_keyscale

READ = {
    "C major": "C major",
    "c Major": "C major",
    "F# minor": "F# minor",
    "f# min": "F# minor",
    "f #  min": "F# minor",
    "Am": "A minor",
    "bm": "B minor",
    "Bbm": "Bb minor",
    "A": "A major",
    "Ab": "Ab major",
    "CM": "C major",
    "Cm": "C minor",
    "Cmaj": "C major",
    "C:maj": "C major",
    "C_min": "C minor",
    " D# minor ": "D# minor",
    "Eb minor": "Eb minor",
    "F♯ minor": "F# minor",
    "B♭ Maj": "Bb major",
    "B flat major": "Bb major",
    "F-sharp minor": "F# minor",
    "a-moll": "A minor",
    "C-Dur": "C major",
    "h-moll": "B minor",
    "B-Dur": "Bb major",
    "bb-moll": "Bb minor",
    "fis-moll": "F# minor",
    "Es-Dur": "Eb major",
    "as-moll": "Ab minor",
    "Des-Dur": "Db major",
    "C大调": "C major",
    "降B大调": "Bb major",
    "升f小調": "F# minor",
    "8A": "A minor",
    "8b": "C major",
    "08A": "A minor",
    "9A": "E minor",
    "1A": "G# minor",
    "12B": "E major",
    "5A": "C minor",
    "1m": "A minor",
    "1d": "C major",
    "12d": "F major",
    "7m": "Eb minor",
}
UNREADABLE = ["", "N/A", "a", "f#", "H major", "H", "Fis minor", "13A", "0A", "C dorian", "A minor?", "Cs-Dur", "Is"]


@pytest.mark.parametrize(("text", "key"), READ.items())
def test_a_key_is_read_into_the_spelling_of_the_model(text, key):
    assert parse_keyscale(text) == key


@pytest.mark.parametrize("text", UNREADABLE)
def test_a_key_that_is_not_sure_is_not_read(text):
    assert parse_keyscale(text) is None


@pytest.mark.parametrize("mode", ["major", "minor"])
@pytest.mark.parametrize("sign", ["", "#", "b"])
@pytest.mark.parametrize("letter", "ABCDEFG")
def test_each_spelling_of_the_model_stays_as_it_is(letter, sign, mode):
    assert parse_keyscale(f"{letter}{sign} {mode}") == f"{letter}{sign} {mode}"
