import errno
import json
import os
import socket
import subprocess
import sys
from dataclasses import replace

import pytest

from acetune import locks
from acetune.errors import NotWritable, SettingError, Stopped

HOLD = """
import sys
from pathlib import Path
from acetune import locks
from acetune.errors import SettingError
try:
    with locks.lock(Path(sys.argv[1]), "run.locked"):
        print("held", flush=True)
        sys.stdin.read()
except SettingError:
    print("refused", flush=True)
"""


def no_links(*arguments):
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


def names(folder):
    return sorted(path.name for path in folder.rglob("*"))


def holder(path):
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def write_owner(path, **changes):
    path.write_text(json.dumps(vars(replace(locks.Owner.here(), **changes))))


@pytest.fixture
def living(tmp_path):
    process = holder(tmp_path / "lock")
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def test_a_lock_is_there_while_it_is_held_and_gone_after(tmp_path):
    with locks.lock(tmp_path / "lock", "run.locked"):
        owner = locks.lock_owner(tmp_path / "lock")

    assert owner == locks.Owner.here()
    assert names(tmp_path) == []


def test_a_lock_goes_when_its_block_fails(tmp_path):
    with pytest.raises(Stopped), locks.lock(tmp_path / "lock", "run.locked"):
        raise Stopped("job.stopped", stage="test")

    assert names(tmp_path) == []


def test_a_lock_of_a_living_process_is_respected(tmp_path, living):
    with pytest.raises(SettingError) as caught, locks.lock(tmp_path / "lock", "run.locked"):
        pass

    assert str(living.pid) in caught.value.message()
    assert locks.lock_owner(tmp_path / "lock").pid == living.pid
    assert names(tmp_path) == ["lock"]


def test_a_lock_is_not_taken_twice_by_one_process(tmp_path):
    with locks.lock(tmp_path / "lock", "run.locked"):
        with pytest.raises(SettingError), locks.lock(tmp_path / "lock", "run.locked"):
            pass

        assert locks.lock_owner(tmp_path / "lock") == locks.Owner.here()


@pytest.mark.parametrize("reaped", [True, False])
def test_a_lock_of_a_killed_process_is_taken_over(tmp_path, living, reaped):
    living.kill()
    if reaped:
        living.wait()
    else:
        os.waitid(os.P_PID, living.pid, os.WEXITED | os.WNOWAIT)
    with locks.lock(tmp_path / "lock", "run.locked"):
        owner = locks.lock_owner(tmp_path / "lock")

    assert owner == locks.Owner.here()


def test_a_lock_whose_number_went_to_another_process_is_taken_over(tmp_path):
    write_owner(tmp_path / "lock", started="long ago")

    assert locks.lock_owner(tmp_path / "lock") is None

    with locks.lock(tmp_path / "lock", "run.locked"):
        assert locks.lock_owner(tmp_path / "lock") == locks.Owner.here()


def test_a_lock_of_another_machine_is_respected(tmp_path):
    write_owner(tmp_path / "lock", host="elsewhere", started="long ago")

    with pytest.raises(SettingError, match="elsewhere"), locks.lock(tmp_path / "lock", "run.locked"):
        pass


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}', '{"pid": 1, "started": "", "host": "", "more": 1}'])
def test_a_damaged_lock_holds_nobody_up(tmp_path, content):
    (tmp_path / "lock").write_text(content)
    with locks.lock(tmp_path / "lock", "run.locked"):
        owner = locks.lock_owner(tmp_path / "lock")

    assert owner == locks.Owner.here()


def test_a_lock_that_was_renewed_before_it_was_taken_away_is_put_back(tmp_path):
    write_owner(tmp_path / "lock")
    locks._take_away_dead(tmp_path / "lock")

    assert locks.lock_owner(tmp_path / "lock") == locks.Owner.here()
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
    monkeypatch.setattr(os, "link", no_links)
    path = tmp_path / "lock"
    with locks.lock(path, "run.locked"), pytest.raises(SettingError), locks.lock(path, "run.locked"):
        pass

    assert names(tmp_path) == []


def test_a_process_that_is_gone_has_no_start(living):
    started = locks.process_started(living.pid)
    living.kill()
    living.wait()

    assert started
    assert locks.process_started(living.pid) is None
    assert locks.Owner(living.pid, started, socket.gethostname()).is_alive() is False


def test_a_lock_in_a_closed_folder_is_not_writable(tmp_path):
    (tmp_path / "run").write_text("")

    with pytest.raises(NotWritable), locks.lock(tmp_path / "run" / "lock", "run.locked"):
        pass
