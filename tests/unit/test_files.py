import errno
import hashlib
import json
import os
import socket
import subprocess
import sys
from dataclasses import replace

import pytest

from acetune import files
from acetune.errors import CorruptFile, DiskFull, NotWritable, SettingError, Stopped

HOLD = """
import sys
from pathlib import Path
from acetune import files
from acetune.errors import SettingError
try:
    with files.lock(Path(sys.argv[1]), "run.locked"):
        print("held", flush=True)
        sys.stdin.read()
except SettingError:
    print("refused", flush=True)
"""


def failing(number):
    def fail(*arguments, **settings):
        raise OSError(number, os.strerror(number))

    return fail


def names(folder):
    return sorted(path.name for path in folder.rglob("*"))


def holder(path):
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def write_owner(path, **changes):
    path.write_text(json.dumps(vars(replace(files.Owner.here(), **changes))))


@pytest.fixture
def living(tmp_path):
    process = holder(tmp_path / "lock")
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


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


def test_a_lock_is_there_while_it_is_held_and_gone_after(tmp_path):
    with files.lock(tmp_path / "lock", "run.locked"):
        owner = files.lock_owner(tmp_path / "lock")

    assert owner == files.Owner.here()
    assert names(tmp_path) == []


def test_a_lock_goes_when_its_block_fails(tmp_path):
    with pytest.raises(Stopped), files.lock(tmp_path / "lock", "run.locked"):
        raise Stopped("job.stopped", stage="test")

    assert names(tmp_path) == []


def test_a_lock_of_a_living_process_is_respected(tmp_path, living):
    with pytest.raises(SettingError) as caught, files.lock(tmp_path / "lock", "run.locked"):
        pass

    assert str(living.pid) in caught.value.message()
    assert files.lock_owner(tmp_path / "lock").pid == living.pid
    assert names(tmp_path) == ["lock"]


def test_a_lock_is_not_taken_twice_by_one_process(tmp_path):
    with files.lock(tmp_path / "lock", "run.locked"):
        with pytest.raises(SettingError), files.lock(tmp_path / "lock", "run.locked"):
            pass

        assert files.lock_owner(tmp_path / "lock") == files.Owner.here()


@pytest.mark.parametrize("reaped", [True, False])
def test_a_lock_of_a_killed_process_is_taken_over(tmp_path, living, reaped):
    living.kill()
    if reaped:
        living.wait()
    else:
        os.waitid(os.P_PID, living.pid, os.WEXITED | os.WNOWAIT)
    with files.lock(tmp_path / "lock", "run.locked"):
        owner = files.lock_owner(tmp_path / "lock")

    assert owner == files.Owner.here()


def test_a_lock_whose_number_went_to_another_process_is_taken_over(tmp_path):
    write_owner(tmp_path / "lock", started="long ago")

    assert files.lock_owner(tmp_path / "lock") is None

    with files.lock(tmp_path / "lock", "run.locked"):
        assert files.lock_owner(tmp_path / "lock") == files.Owner.here()


def test_a_lock_of_another_machine_is_respected(tmp_path):
    write_owner(tmp_path / "lock", host="elsewhere", started="long ago")

    with pytest.raises(SettingError, match="elsewhere"), files.lock(tmp_path / "lock", "run.locked"):
        pass


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}', '{"pid": 1, "started": "", "host": "", "more": 1}'])
def test_a_damaged_lock_holds_nobody_up(tmp_path, content):
    (tmp_path / "lock").write_text(content)
    with files.lock(tmp_path / "lock", "run.locked"):
        owner = files.lock_owner(tmp_path / "lock")

    assert owner == files.Owner.here()


def test_a_lock_that_was_renewed_before_it_was_taken_away_is_put_back(tmp_path):
    write_owner(tmp_path / "lock")
    files._take_away_dead(tmp_path / "lock")

    assert files.lock_owner(tmp_path / "lock") == files.Owner.here()
    assert names(tmp_path) == ["lock"]


def test_one_of_several_processes_takes_a_dead_lock_over(tmp_path):
    write_owner(tmp_path / "lock", started="long ago")
    processes = [holder(tmp_path / "lock") for _ in range(4)]
    answers = sorted(process.stdout.readline().strip() for process in processes)
    for process in processes:
        process.communicate()

    assert answers == ["held", "refused", "refused", "refused"]
    assert names(tmp_path) == []


def test_a_lock_works_where_the_file_system_has_no_links(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", failing(errno.EPERM))
    path = tmp_path / "lock"
    with files.lock(path, "run.locked"), pytest.raises(SettingError), files.lock(path, "run.locked"):
        pass

    assert names(tmp_path) == []


def test_a_process_that_is_gone_has_no_start(living):
    started = files.process_started(living.pid)
    living.kill()
    living.wait()

    assert started
    assert files.process_started(living.pid) is None
    assert files.Owner(living.pid, started, socket.gethostname()).is_alive() is False


def test_a_lock_in_a_closed_folder_is_not_writable(tmp_path):
    (tmp_path / "run").write_text("")

    with pytest.raises(NotWritable), files.lock(tmp_path / "run" / "lock", "run.locked"):
        pass
