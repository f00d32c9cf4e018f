import errno
import hashlib
import os

import pytest

from acetune import files
from acetune.errors import CorruptFile, DiskFull, NotWritable, SettingError, Stopped


def failing(number):
    def fail(*arguments, **settings):
        raise OSError(number, os.strerror(number))

    return fail


def names(folder):
    return sorted(path.name for path in folder.rglob("*"))


def test_a_text_replaces_the_one_before(tmp_path):
    files.write_text(tmp_path / "a.txt", "old")
    files.write_text(tmp_path / "a.txt", "new 新")

    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "new 新"
    assert names(tmp_path) == ["a.txt"]


def test_missing_folders_are_made(tmp_path):
    files.write_bytes(tmp_path / "deep" / "er" / "a.bin", b"\x00")

    assert (tmp_path / "deep" / "er" / "a.bin").read_bytes() == b"\x00"


def test_a_json_document_is_read_as_it_was_written(tmp_path):
    files.write_json(tmp_path / "a.json", {"name": "曲", "values": [1, 2.5, None]})

    assert files.read_json(tmp_path / "a.json") == {"name": "曲", "values": [1, 2.5, None]}


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe"])
def test_a_damaged_json_document_is_a_corrupt_file(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)

    with pytest.raises(CorruptFile) as caught:
        files.read_json(tmp_path / "a.json")

    assert caught.value.exit_code == 4
    assert "a.json" in caught.value.message()


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, DiskFull),
        (errno.EDQUOT, DiskFull),
        (errno.EACCES, NotWritable),
        (errno.EPERM, NotWritable),
        (errno.EROFS, NotWritable),
    ],
)
def test_a_file_that_cannot_be_written_is_left_as_it_was(tmp_path, monkeypatch, call, number, kind):
    files.write_text(tmp_path / "a.txt", "old")
    monkeypatch.setattr(os, call, failing(number))

    with pytest.raises(kind) as caught:
        files.write_text(tmp_path / "a.txt", "new")

    assert caught.value.exit_code == 3
    assert "a.txt" in caught.value.message()
    assert (tmp_path / "a.txt").read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("call", ["fsync", "rename"])
@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, DiskFull), (errno.EROFS, NotWritable)])
def test_a_folder_that_cannot_be_written_leaves_nothing_behind(tmp_path, monkeypatch, call, number, kind):
    monkeypatch.setattr(os, call, failing(number))

    with pytest.raises(kind), files.draft_folder(tmp_path / "000400") as draft:
        (draft / "state.json").write_text("{}")

    assert names(tmp_path) == []


def test_other_failures_of_the_system_keep_their_name(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "replace", failing(errno.EIO))

    with pytest.raises(OSError, match="Input/output error"):
        files.write_text(tmp_path / "a.txt", "new")

    assert names(tmp_path) == []


def test_a_file_in_place_of_a_folder_is_not_writable(tmp_path):
    (tmp_path / "home").write_text("")

    with pytest.raises(NotWritable):
        files.write_text(tmp_path / "home" / "a.txt", "new")


def test_a_failure_while_writing_a_file_leaves_the_old_one(tmp_path):
    files.write_text(tmp_path / "a.txt", "old")

    with pytest.raises(Stopped), files.draft_file(tmp_path / "a.txt") as draft:
        draft.write_text("half")
        raise Stopped("job.stopped", stage="test")

    assert (tmp_path / "a.txt").read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_failure_while_filling_a_folder_leaves_nothing(tmp_path):
    with pytest.raises(Stopped), files.draft_folder(tmp_path / "000400") as draft:
        (draft / "deep").mkdir()
        (draft / "deep" / "half").write_text("half")
        raise Stopped("job.stopped", stage="test")

    assert names(tmp_path) == []


def test_a_folder_appears_with_all_it_holds(tmp_path):
    with files.draft_folder(tmp_path / "000400") as draft:
        (draft / "deep").mkdir()
        (draft / "deep" / "a").write_text("a")

        assert not (tmp_path / "000400").exists()

    assert names(tmp_path) == ["000400", "a", "deep"]


def test_an_existing_folder_is_never_replaced(tmp_path):
    (tmp_path / "000400").mkdir()

    with pytest.raises(NotWritable), files.draft_folder(tmp_path / "000400"):
        pass

    assert names(tmp_path) == ["000400"]


def test_a_folder_that_cannot_take_its_place_leaves_the_old_one(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "old").write_text("old")

    with pytest.raises(NotWritable):
        files.swap(tmp_path / "absent", tmp_path / "a")

    assert names(tmp_path) == ["a", "old"]


def test_drafts_of_a_killed_process_are_swept(tmp_path):
    (tmp_path / "000400.draft-12345678").mkdir()
    (tmp_path / "last.draft-12345678").write_text("")
    (tmp_path / "last").write_text("000200")
    files.sweep_drafts(tmp_path)

    assert names(tmp_path) == ["last"]


def test_removing_takes_files_and_folders_and_accepts_nothing(tmp_path):
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "file").write_text("")
    for name in ("folder", "file", "nothing"):
        files.remove(tmp_path / name)

    assert names(tmp_path) == []


def test_the_content_hash_is_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")

    assert files.content_hash(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()


def test_equal_values_have_equal_names():
    assert files.hash_of({"b": 1, "a": 2}, "x") == files.hash_of({"a": 2, "b": 1}, "x")


@pytest.mark.parametrize("other", [("a", "bc"), ("ab", "c", ""), ("abc",), (["ab", "c"],), ("ab", None)])
def test_other_values_have_other_names(other):
    assert files.hash_of("ab", "c") != files.hash_of(*other)


@pytest.mark.parametrize("name", ["a", "my-run_2.1", "7", "曲", "été", "x" * 64, "console", "com"])
def test_a_safe_name_is_kept(name):
    assert files.check_name(name, "run") == name


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", ".hidden", "-x", "_x", " x", "a b", "a/b", "a\\b", "a:b", "a.", "x" * 65, "con", "NUL", "lpt1.txt"],
)  # fmt: skip
def test_a_name_that_some_system_refuses_is_refused(name):
    with pytest.raises(SettingError) as caught:
        files.check_name(name, "run")

    assert caught.value.code == "files.bad_name"


def refusing(times):
    """An act that the system refuses so often, and how often it was tried."""
    tries = []

    def act():
        tries.append(len(tries))
        if len(tries) <= times:
            raise PermissionError("somebody reads it")

    return act, tries


def test_what_is_refused_for_a_moment_is_done_then():
    act, tries = refusing(2)
    files.patiently(act, seconds=5.0)

    assert len(tries) == 3


def test_what_stays_refused_is_an_error():
    act, tries = refusing(10)

    with pytest.raises(PermissionError):
        files.patiently(act, seconds=0.0)
    assert len(tries) == 1
