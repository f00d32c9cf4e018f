"""One protocol for all who listen: `python benchmarks/listening.py FOLDER --with lyrics,whisper,endpoint`.

FOLDER is a scanned data set whose lyrics, languages, tags and instrumentals people or files have said; twenty songs
that no model was trained on tell more than two hundred that all know. Each annotator hears the audio of every song and
sees nothing of what is known: the songs are linked into an empty folder first, and what their own tags say is taken out
again. What it says is compared with what is known:

- lyrics: edits of words (letters where no spaces are written) as a share of what is sung; lines under the right
  heading; songs without a singer that got lyrics all the same
- language, instrumental: right of those that were told
- tags: how many of the known ones were found, how many of those found are known
- captions: words, and contradictions to what is known (`acetune.annotation.honesty`)
- songs without any answer, and seconds for a song
"""

from __future__ import annotations

import os
import re
import tempfile
import time
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean

from timing import Table, arguments, publish

from acetune.annotation.annotate import default_setup, preview
from acetune.annotation.annotator import Setup
from acetune.annotation.honesty import doubts
from acetune.data.headings import read_heading
from acetune.data.lrc import is_sung
from acetune.data.manifest import Manifest, load, save
from acetune.data.scan import scan
from acetune.data.track import Source, Track

_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]")
_HEADS = (
    "", "songs", "word errors %", "headings %", "invented", "language %", "instrumental %", "tags found %",
    "tags right %", "caption words", "contradictions", "no answer", "s a song",
)  # fmt: skip


@dataclass(frozen=True)
class Said:
    """What is known of a song, and what was said about it."""

    known: Track
    said: dict[str, object]


@contextmanager
def unknown(manifest: Manifest) -> Iterator[Path]:
    """Yield a scanned data set of the same songs of which nothing is known."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for track in manifest.tracks:
            link = folder / track.path
            link.parent.mkdir(parents=True, exist_ok=True)
            os.symlink(manifest.audio(track).resolve(), link)
        bare = scan(folder).manifest
        tracks = tuple(Track(path=t.path, seconds=t.seconds, audio_sha256=t.audio_sha256) for t in bare.tracks)
        save(replace(bare, tracks=tracks))
        yield folder


def is_told(track: Track, field: str) -> bool:
    """Whether a person or a file said a field."""
    source = track.source_of(field)
    return source is not None and source >= Source.FILE


def words(lyrics: str) -> list[str]:
    """Return what is sung, word by word or letter by letter, in one spelling."""
    text = unicodedata.normalize("NFKC", "\n".join(filter(is_sung, lyrics.split("\n")))).casefold()
    letters = len(_UNSPACED.findall(text)) > len(text) / 4
    return re.findall(r"[^\W_]" if letters else r"[^\W_]+", text)


def edits(known: Sequence[str], said: Sequence[str]) -> int:
    """Return how many words must be changed, added or dropped to make one text of the other (Levenshtein)."""
    row = list(range(len(said) + 1))
    for at, word in enumerate(known, start=1):
        before, row[0] = row[0], at
        for place, other in enumerate(said, start=1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (word != other))
    return row[-1]


def headed(lyrics: str) -> dict[str, str]:
    """Return the sung lines and the name of the section that each stands in."""
    found, name = {}, ""
    for line in lyrics.split("\n"):
        heading = read_heading(line)
        name = heading.name if heading else name
        if is_sung(line) and name:
            found[" ".join(words(line))] = name
    return found


def share(hits: Sequence[bool]) -> float | str:
    """Return a share in percent; a dash of nothing."""
    return 100 * mean(hits) if hits else "-"


def row(name: str, heard: Sequence[Said], seconds: float) -> tuple[float | str, ...]:
    """Return what is to be said about an annotator."""
    sung = [(one.known.lyrics or "", str(one.said.get("lyrics", ""))) for one in heard if is_told(one.known, "lyrics")]
    wrong = sum(edits(words(known), words(said)) for known, said in sung)
    sections = [
        headed(said)[line] == section
        for known, said in sung
        for line, section in headed(known).items()
        if line in headed(said)
    ]
    silent = [one for one in heard if is_told(one.known, "instrumental") and one.known.instrumental]
    pairs = [(set(one.known.tags or ()), set(one.said.get("tags", ()))) for one in heard if is_told(one.known, "tags")]
    captions = [str(one.said["caption"]) for one in heard if "caption" in one.said]
    told = [
        (field, getattr(one.known, field) == one.said[field])
        for one in heard
        for field in ("language", "instrumental")
        if is_told(one.known, field) and field in one.said
    ]
    return (
        name,
        len(heard),
        100 * wrong / max(1, sum(len(words(known)) for known, _ in sung)) if any(said for _, said in sung) else "-",
        share(sections),
        sum("lyrics" in one.said for one in silent),
        share([hit for field, hit in told if field == "language"]),
        share([hit for field, hit in told if field == "instrumental"]),
        share([tag in said for known, said in pairs if said for tag in known]),
        share([tag in known for known, said in pairs for tag in said]),
        mean(len(caption.split()) for caption in captions) if captions else "-",
        sum(1 for one in heard if "caption" in one.said for _ in doubts(_captioned(one))),
        sum(not one.said for one in heard),
        seconds / max(1, len(heard)),
    )


def _captioned(one: Said) -> Track:
    """Return what is known of a song with the caption that was made."""
    return replace(one.known, caption=str(one.said["caption"]))


def listen(folder: Path, manifest: Manifest, name: str, setup: Setup) -> tuple[float | str, ...]:
    """Let one annotator hear all songs, and return its row."""
    start = time.perf_counter()
    result = preview(folder, len(manifest.tracks), annotators=(name,), setup=setup)
    said: dict[str, dict[str, object]] = {track.path: {} for track in manifest.tracks}
    for value in result.found:
        said[value.path][value.field] = value.value
    heard = [Said(track, said[track.path]) for track in manifest.tracks]
    return row(name, heard, time.perf_counter() - start)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--with", dest="names", required=True, help="annotators, separated by commas")
    parser.add_argument("--model", action="append", default=[], metavar="NAME=PATH")
    parser.add_argument("--endpoint", metavar="URL")
    parser.add_argument("--endpoint-model", metavar="NAME")
    parser.add_argument("--device", default="auto")
    chosen = parser.parse_args()
    setup = replace(
        default_setup(),
        device=chosen.device,
        model_ids=dict(text.split("=", 1) for text in chosen.model),
        endpoint=chosen.endpoint,
        endpoint_model=chosen.endpoint_model,
    )
    manifest = load(chosen.folder)
    with unknown(manifest) as folder:
        rows = tuple(listen(folder, manifest, name, setup) for name in chosen.names.split(","))
    publish([Table(f"Heard without knowing: {chosen.folder.name}", _HEADS, rows)], chosen.json)


if __name__ == "__main__":
    main()
