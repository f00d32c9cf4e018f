"""Archives come in whole or not at all, and nothing that they say of themselves is believed."""

from __future__ import annotations

import stat
import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import pytest

from acetune.data.unpack import unpack
from acetune.errors import AcetuneError, DataError, Stopped
from acetune.events import Event, Job, Progress, StageEnded

_SOUND = bytes(range(256)) * 40
_CENTRAL = b"PK\x01\x02"
_END = b"PK\x05\x06"


def pack(archive: Path, names: tuple[str, ...], data: bytes = _SOUND) -> Path:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name in names:
            zipped.writestr(name, data)
    return archive


def pack_entry(archive: Path, name: str, **fields: object) -> Path:
    """Write an archive of one entry whose record has these fields."""
    info = zipfile.ZipInfo(name)
    for field, value in fields.items():
        setattr(info, field, value)
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr(info, _SOUND)
    return archive


def patch(archive: Path, sign: bytes, offset: int, value: bytes) -> Path:
    """Overwrite a field of each record of a kind."""
    data = bytearray(archive.read_bytes())
    at = data.find(sign)
    while at >= 0:
        data[at + offset : at + offset + len(value)] = value
        at = data.find(sign, at + 4)
    archive.write_bytes(data)
    return archive


def only_a_list(archive: Path, count: int) -> Path:
    """Write an archive that lists so many files and holds none."""
    name = b"x" * 20
    record = struct.pack("<4s6H3I5H2I", _CENTRAL, 20, 20, 0, 0, 0, 33, 0, 0, 0, len(name), 0, 0, 0, 0, 0, 0) + name
    size = count * len(record)
    archive.write_bytes(record * count + struct.pack("<4s4H2IH", _END, 0, 0, 0xFFFF, 0xFFFF, size, 0, 0))
    return archive


def refusal(archive: Path, folder: Path) -> DataError:
    """Return why an archive is refused; nothing may be left of it."""
    before = set(folder.parent.rglob("*"))
    with pytest.raises(DataError) as caught:
        unpack(archive, folder, Job())
    assert set(folder.parent.rglob("*")) == before
    assert "\n" not in caught.value.message()
    return caught.value


def test_an_archive_becomes_a_folder(tmp_path: Path) -> None:
    unpack(pack(tmp_path / "a.zip", ("metadata.jsonl", "live/周杰伦.wav")), tmp_path / "new", Job())

    assert (tmp_path / "new" / "metadata.jsonl").read_bytes() == _SOUND
    assert (tmp_path / "new" / "live" / "周杰伦.wav").read_bytes() == _SOUND


def test_a_folder_that_holds_all_others_is_left_out(tmp_path: Path) -> None:
    unpack(pack(tmp_path / "a.zip", ("songs/", "songs/a.wav", "songs/live/b.wav")), tmp_path / "new", Job())

    assert (tmp_path / "new" / "a.wav").is_file()
    assert (tmp_path / "new" / "live" / "b.wav").is_file()


def test_what_operating_systems_leave_in_archives_is_left_out(tmp_path: Path) -> None:
    names = ("songs/a.wav", "__MACOSX/songs/._a.wav", "songs/.DS_Store", "songs/._a.wav", "songs/.acetune/lock")
    unpack(pack(tmp_path / "a.zip", names), tmp_path / "new", Job())

    assert [path.name for path in (tmp_path / "new").rglob("*")] == ["a.wav"]


@pytest.mark.parametrize("encoding", ["utf-8", "gb2312"])
def test_names_of_old_archives_are_read(tmp_path: Path, encoding: str) -> None:
    archive = tmp_path / "a.zip"
    archive.write_bytes(old_archive("青花瓷".encode(encoding)))
    unpack(archive, tmp_path / "new", Job())

    assert (tmp_path / "new" / "青花瓷.wav").read_bytes() == _SOUND


def test_progress_is_reported(tmp_path: Path) -> None:
    heard: list[Event] = []
    unpack(pack(tmp_path / "a.zip", ("a", "b")), tmp_path / "new", Job(heard.append))

    assert [event.done for event in heard if isinstance(event, Progress)] == [1, 2]
    assert isinstance(heard[-1], StageEnded)


def test_a_stop_leaves_nothing(tmp_path: Path) -> None:
    archive = pack(tmp_path / "a.zip", ("a", "b"))

    with pytest.raises(Stopped):
        unpack(archive, tmp_path / "new", Job(stop_requested=lambda: True))
    assert list(tmp_path.iterdir()) == [archive]


def test_an_existing_folder_is_never_filled(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()

    assert refusal(pack(tmp_path / "a.zip", ("a",)), tmp_path / "new").code == "share.exists"


@pytest.mark.parametrize(
    "name",
    [
        "../evil.wav",
        "a/../../evil.wav",
        "..\\evil.wav",
        "/etc/evil.wav",
        "\\\\server\\evil.wav",
        "C:\\evil.wav",
        "c:evil.wav",
        "a/CON.wav",
        "nul",
        "lpt1 .txt",
        "a\nb.wav",
        "\x1b[2J.wav",
        "a/" * 40 + "deep.wav",
        "x" * 300,
    ],
)
def test_a_name_that_leads_out_or_cannot_be_written_is_refused(tmp_path: Path, name: str) -> None:
    assert refusal(pack(tmp_path / "a.zip", ("fine.wav", name)), tmp_path / "new").code == "share.zip_name"


def test_a_name_that_hides_its_end_behind_a_zero_is_refused(tmp_path: Path) -> None:
    archive = pack(tmp_path / "a.zip", ("evil.wav_.txt",))
    archive.write_bytes(archive.read_bytes().replace(b"evil.wav_", b"evil.wav\0"))

    assert refusal(archive, tmp_path / "new").code == "share.zip_name"


@pytest.mark.parametrize(
    "names",
    [
        ("Song.wav", "song.WAV"),
        ("a/Über.wav", "a/U\u0308ber.wav"),
        ("straße.wav", "STRASSE.wav"),
        ("a", "a/b.wav"),
        ("A", "a/b.wav"),
        ("a.wav", "./a.wav"),
        ("a/b.wav", "a\\b.wav"),
    ],
)
def test_two_names_that_are_one_file_on_some_systems_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    assert refusal(pack(tmp_path / "a.zip", names), tmp_path / "new").code == "share.zip_clash"


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path: Path, mode: int) -> None:
    archive = pack_entry(tmp_path / "a.zip", "link", external_attr=(mode | 0o777) << 16)

    assert refusal(archive, tmp_path / "new").code == "share.zip_link"


def test_an_encrypted_file_is_refused(tmp_path: Path) -> None:
    archive = patch(pack(tmp_path / "a.zip", ("a",)), _CENTRAL, 8, b"\1\0")

    assert refusal(archive, tmp_path / "new").code == "share.zip_encrypted"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compression_whose_decoder_has_no_bound_is_refused(tmp_path: Path, method: int) -> None:
    archive = pack_entry(tmp_path / "a.zip", "a", compress_type=method)

    assert refusal(archive, tmp_path / "new").code == "share.zip_method"


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    archive = pack(tmp_path / "a.zip", ("bomb",), bytes(20_000_000))

    assert refusal(archive, tmp_path / "new").code == "share.zip_ratio"


def test_one_bomb_among_songs_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("song.wav", _SOUND * 100)
        zipped.writestr("bomb", bytes(20_000_000), zipfile.ZIP_DEFLATED)

    assert refusal(archive, tmp_path / "new").code == "share.zip_ratio"


def test_files_that_share_their_bytes_are_a_bomb_too(tmp_path: Path) -> None:
    archive = pack(tmp_path / "a.zip", tuple(f"{number:04}" for number in range(400)))
    shared = archive.read_bytes()
    start = shared.find(_CENTRAL)
    first = shared[: shared.find(b"PK\x03\x04", 4)]
    end = bytearray(shared[shared.find(_END) :])
    end[16:20] = struct.pack("<I", len(first))
    archive.write_bytes(first + shared[start : shared.find(_END)] + end)
    patch(archive, _CENTRAL, 42, bytes(4))
    patch(archive, _CENTRAL, 24, struct.pack("<I", 20_000_000))

    assert refusal(archive, tmp_path / "new").code == "share.zip_ratio"


@pytest.mark.parametrize(("size", "count", "code"), [(0xB0000000, 1, "entry_size"), (0x70000000, 12, "size")])
def test_what_would_fill_the_disk_is_refused(tmp_path: Path, size: int, count: int, code: str) -> None:
    archive = pack(tmp_path / "a.zip", tuple(map(str, range(count))))
    patch(archive, _CENTRAL, 24, struct.pack("<I", size))

    assert refusal(archive, tmp_path / "new").code == f"share.zip_{code}"


def test_a_file_that_is_longer_than_it_says_is_refused(tmp_path: Path) -> None:
    archive = patch(pack(tmp_path / "a.zip", ("a",)), _CENTRAL, 24, struct.pack("<I", 100))

    assert refusal(archive, tmp_path / "new").code == "share.bad_zip"


def test_more_than_twenty_thousand_files_are_refused(tmp_path: Path) -> None:
    assert refusal(only_a_list(tmp_path / "a.zip", 20_001), tmp_path / "new").code == "share.zip_entries"


def test_a_list_without_end_is_refused_without_reading_it(tmp_path: Path) -> None:
    archive = only_a_list(tmp_path / "a.zip", 400_000)
    tracemalloc.start()
    code = refusal(archive, tmp_path / "new").code
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert code == "share.zip_entries"
    assert peak < 10e6


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data.replace(_SOUND[:200], bytes(200)),
        lambda data: data[: len(data) // 2],
        lambda data: data[100:],
        lambda data: b"no zip at all",
        lambda data: b"",
    ],
    ids=["wrong check sum", "cut end", "cut start", "text", "empty"],
)
def test_a_damaged_archive_is_refused(tmp_path: Path, spoil: object) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("a.wav", _SOUND)
    archive.write_bytes(spoil(archive.read_bytes()))  # type: ignore[operator]

    assert refusal(archive, tmp_path / "new").code == "share.bad_zip"


@pytest.mark.parametrize("names", [(), ("a/", "b/"), (".DS_Store",)])
def test_an_archive_without_files_is_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert refusal(pack(tmp_path / "a.zip", names, b""), tmp_path / "new").code == "share.zip_empty"


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_what_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    archive = tmp_path / kind
    if kind == "folder":
        archive.mkdir()

    assert refusal(archive, tmp_path / "new").code == "share.bad_zip"


def old_archive(name: bytes) -> bytes:
    """Return an archive of one file whose name has no mark of its encoding."""
    name += b".wav"
    crc = zlib.crc32(_SOUND)
    sizes = (crc, len(_SOUND), len(_SOUND))
    local = struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 0, 0, 33, *sizes, len(name), 0) + name + _SOUND
    central = struct.pack("<4s6H3I5H2I", _CENTRAL, 20, 20, 0, 0, 0, 33, *sizes, len(name), 0, 0, 0, 0, 0, 0) + name
    return local + central + struct.pack("<4s4H2IH", _END, 0, 0, 1, 1, len(central), len(local), 0)


def test_a_fault_of_the_disk_is_none_of_the_archive(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(AcetuneError) as caught:
        unpack(pack(tmp_path / "a.zip", ("a",)), tmp_path / "file" / "new", Job())
    assert caught.value.exit_code == 3
