"""A store in a file: what is no store is refused, and neither a full disk nor a copy loses anything."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_results import result, shards, sighting

from pfnlab.base.errors import Misuse, PfnlabError, Undecided
from pfnlab.campaign.store.rows import DONE, ResultFilter
from pfnlab.campaign.store.sqlite import SqliteDatabase
from pfnlab.campaign.store.store import Store


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A store with a campaign of forty shards, of which one is done."""
    path = tmp_path / "results.db"
    with Store(str(path)) as store:
        store.begin("c", {}, shards(40))
        store.finish(sighting("c", 0), [result(number) for number in range(50)])
    return path


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a small store."""
    path = tmp_path_factory.mktemp("good") / "x.db"
    with Store(str(path)) as store:
        store.begin("c", {}, shards(3))
        store.finish(sighting("c", 0), [result(number) for number in range(20)])
    return path.read_bytes()


def refusal(path: Path) -> str:
    """The message with which the file is refused, one line."""
    with pytest.raises(PfnlabError) as refused:
        Store(str(path), make=False).close()
    message = str(refused.value)
    assert "\n" not in message and str(path) in message
    return message


def test_a_file_that_is_not_there_is_not_made_by_those_who_read(tmp_path: Path) -> None:
    """A wrong path would look like an empty store."""
    assert "there is no such store" in refusal(tmp_path / "none.db")
    assert not (tmp_path / "none.db").exists()


def test_another_database_is_no_store(tmp_path: Path) -> None:
    """And is left as it was."""
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE results (x)")
    other.close()
    before = path.read_bytes()

    assert "not a pfnlab store" in refusal(path)
    assert before == path.read_bytes()


@pytest.mark.parametrize("make", [False, True])
def test_an_empty_file_is_no_store(tmp_path: Path, make: bool) -> None:
    """It may be the file that somebody lost; nothing is written into it."""
    path = tmp_path / "empty.db"
    path.touch()

    with pytest.raises(Misuse, match="this file is empty, not a pfnlab store: name another file"):
        Store(str(path), make=make)

    assert (b"", [path]) == (path.read_bytes(), [*tmp_path.iterdir()])


@pytest.mark.parametrize("make", [False, True])
@pytest.mark.parametrize(
    "statements",
    [
        ["PRAGMA application_id = 5"],
        ["PRAGMA user_version = 5"],
        ["PRAGMA application_id = 0x70666E6C", "CREATE TABLE mine (x)"],
        ["PRAGMA application_id = 0x70666E6C", "CREATE VIEW mine AS SELECT 1"],
    ],
)
def test_a_foreign_database_does_not_become_a_store(
    tmp_path: Path, statements: list[str], make: bool
) -> None:
    """Whether it has tables or none."""
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        for statement in statements:
            other.execute(statement)
    other.close()
    before = path.read_bytes()

    with pytest.raises(Misuse, match="not a pfnlab store: name another file"):
        Store(str(path), make=make)

    assert before == path.read_bytes()


@pytest.mark.parametrize("name", [":memory:", "a b?mode=ro#c%20", "ü.db"])
def test_a_store_may_have_any_name(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a name of a file, and of nothing else."""
    monkeypatch.chdir(tmp_path)
    with Store(name) as store:
        store.begin("c", {}, shards(1))

    with Store(name, make=False) as store:
        assert ["c"] == [campaign.name for campaign in store.campaigns()]
    assert [tmp_path / name] == [*tmp_path.iterdir()]


def test_a_store_behind_a_link_is_made_where_the_link_leads(tmp_path: Path, usual_user: None) -> None:
    """And the link stays one."""
    (tmp_path / "link.db").symlink_to(tmp_path / "there.db")

    Store(str(tmp_path / "link.db")).close()

    assert (tmp_path / "link.db").is_symlink() and (tmp_path / "there.db").stat().st_size


def test_who_asks_whether_a_campaign_runs_makes_no_file(file: Path) -> None:
    """On a full disk, or in a folder of somebody else, there may be no room for one."""
    with Store(str(file), make=False) as store:
        assert not store.is_running("c")

    assert [file] == [*file.parent.iterdir()]


def test_another_file_is_no_store(tmp_path: Path) -> None:
    """Nor is a folder."""
    (tmp_path / "x.toml").write_text("form = 1\n" * 200, encoding="utf-8")

    assert "damaged" in refusal(tmp_path / "x.toml")
    assert "directory" in refusal(tmp_path)


def test_a_store_with_a_page_of_rubbish_is_refused(file: Path) -> None:
    """It is looked through when it is opened."""
    content = bytearray(file.read_bytes())
    content[-4096:] = b"\xa5" * 4096
    file.write_bytes(content)

    assert "damaged" in refusal(file)


def test_a_store_without_a_result_of_a_shard_is_refused(file: Path) -> None:
    """Every shard that is done has all that it found."""
    with sqlite3.connect(file) as store:
        store.execute("DELETE FROM sightings WHERE rowid = (SELECT min(rowid) FROM sightings)")
    store.close()

    assert "shard 0 of c has lost results" in refusal(file)


def test_a_store_with_a_sighting_of_nothing_is_refused(file: Path) -> None:
    """Rows refer to each other."""
    with sqlite3.connect(file) as store:
        store.execute("DELETE FROM results WHERE rowid = (SELECT min(rowid) FROM results)")
    store.close()

    assert "rows refer to missing rows" in refusal(file)


#: What somebody may define in a store that they send, by what it is called.
FOREIGN = {
    "the view v": ["CREATE VIEW v AS SELECT 1"],
    "the trigger t": ["CREATE TRIGGER t AFTER UPDATE ON campaigns BEGIN DELETE FROM sightings; END"],
    "the table v": ["CREATE VIRTUAL TABLE v USING fts3(x)"],
    "the view campaigns": [
        "ALTER TABLE campaigns RENAME TO kept",
        "CREATE VIEW campaigns AS SELECT name, digest, plan, load_extension('x') AS stop FROM kept",
    ],
    "the table shards": ["ALTER TABLE shards ADD COLUMN more BIGINT CHECK (abs(more) > 0)"],
    "the index i": ["CREATE INDEX i ON hosts (abs(cores))"],
}


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("write", [False, True])
def test_what_no_pfnlab_makes_is_refused(file: Path, name: str, write: bool) -> None:
    """It would run where somebody reads or writes; the file stays as it is."""
    with sqlite3.connect(file) as store:
        store.execute("PRAGMA legacy_alter_table = ON")
        for statement in FOREIGN[name]:
            store.execute(statement)
    store.close()
    before = file.read_bytes()

    with pytest.raises(Misuse) as refused:
        Store(str(file), make=write, write=write)

    said = str(refused.value)
    assert said.startswith(
        f"{file}: the store is damaged ({name if name != 'the view campaigns' else 'the '}"
    )
    assert "is not part of a pfnlab store" in said and before == file.read_bytes()


def test_statistics_of_tables_are_no_foreign_thing(file: Path) -> None:
    """SQLite keeps them where somebody asks for them."""
    with sqlite3.connect(file) as store:
        store.execute("ANALYZE")
    store.close()

    with Store(str(file), make=False) as opened:
        assert ["c"] == [campaign.name for campaign in opened.campaigns()]


def test_who_reads_cannot_write(file: Path) -> None:
    """Whatever is in the store."""
    with Store(str(file), make=False, write=False) as store, pytest.raises(Misuse, match="cannot be written"):
        store.ask_to_stop("c")


def test_nothing_that_a_store_defines_is_trusted(file: Path) -> None:
    """Functions that do more than count are refused in it, and its tables of SQLite's own are not written."""
    with Store(str(file)) as store:
        assert isinstance(store._database, SqliteDatabase)
        assert [(0,)] == store._database.rows("PRAGMA trusted_schema")


def flipped(content: bytes, draw: st.DataObject) -> bytes:
    """*content* with a few bytes that are others, most of them in its head and its tables of tables."""
    data = bytearray(content)
    ranges = st.sampled_from([(0, 100), (100, 8192), (0, len(data))])
    for _ in range(draw.draw(st.integers(1, 8))):
        low, high = draw.draw(ranges)
        data[draw.draw(st.integers(low, high - 1))] = draw.draw(
            st.sampled_from([0, 1, 0x27, 0x80, 0xC3, 0xFF])
        )
    return bytes(data[: draw.draw(st.sampled_from([len(data), len(data), len(data) // 2, 100]))])


@settings(max_examples=200)
@given(data=st.data())
def test_whatever_bytes_a_store_has_it_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, good: bytes, data: st.DataObject
) -> None:
    """SQLite repeats names of the file in its messages, which may be no text."""
    path = tmp_path_factory.mktemp("flipped") / "x.db"
    path.write_bytes(flipped(good, data))

    try:
        with Store(str(path), make=False, write=False) as store:
            store.results()
            for campaign in store.campaigns():
                store.shards(campaign.name)
    except (Misuse, Undecided) as refused:
        assert "\n" not in str(refused) and str(path) in str(refused)


def test_a_format_of_sqlite_that_nobody_knows_is_refused(file: Path) -> None:
    """Its number stands in the head of the file."""
    content = bytearray(file.read_bytes())
    content[44:48] = b"\0\0\0\x09"
    file.write_bytes(content)

    assert "the store is damaged (unsupported file format)" in refusal(file)


@pytest.mark.parametrize(
    "old", [b"CREATE TABLE hosts", b"CREATE INDEX sightings_by_result", b"BIGINT NOT NULL"]
)
def test_a_definition_that_is_no_text_is_refused(file: Path, old: bytes) -> None:
    """SQLite's own message about it is none either."""
    content = file.read_bytes()
    file.write_bytes(content.replace(old, old[:-2] + b"\xff\xfe", 1))

    assert "the store is damaged" in refusal(file)


WRITES = """
import sys
sys.path.insert(0, sys.argv[2])
from made_results import sighting, result
from pfnlab.campaign.store.store import Store
with Store(sys.argv[1]) as store:
    print("ready", flush=True)
    for shard in range(1, 40):
        store.finish(sighting("c", shard), [result(shard * 100 + number) for number in range(50)])
"""


@contextmanager
def writing(file: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process finishes all shards meanwhile."""
    command = [sys.executable, "-c", WRITES, str(file), str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and b"ready\n" == process.stdout.readline()
        try:
            yield process
        finally:
            process.wait(60)
    assert 0 == process.returncode


def is_consistent(path: Path) -> bool:
    """Whether every shard that is done in the store has exactly what it found, and no other has anything."""
    with Store(str(path), make=False) as store:
        seen = {one.digest: one for one in store.results(ResultFilter(campaign="c"))}
        for shard in store.shards("c"):
            found = {
                digest
                for digest, one in seen.items()
                if any(sighting.shard == shard.number for sighting in one.sightings)
            }
            first = shard.number * 100
            expected = {result(number).digest for number in range(first, first + 50)}
            if found != (expected if shard.state == DONE else set()):
                return False
    return True


def test_a_backup_of_a_store_in_use_is_of_one_moment(file: Path, tmp_path: Path) -> None:
    """And the store goes on."""
    with writing(file), Store(str(file)) as store:
        for number in range(5):
            store.backup(tmp_path / f"{number}.db")

    assert all(is_consistent(tmp_path / f"{number}.db") for number in range(5))
    assert is_consistent(file)


def test_a_backup_takes_no_file_that_is_there(file: Path, tmp_path: Path) -> None:
    """It may be the only good copy."""
    (tmp_path / "copy.db").write_text("mine", encoding="utf-8")

    with Store(str(file)) as store, pytest.raises(Misuse, match="name a new file with --backup"):
        store.backup(tmp_path / "copy.db")

    assert "mine" == (tmp_path / "copy.db").read_text(encoding="utf-8")


@pytest.mark.target("long")
def test_a_plain_copy_of_a_store_in_use_is_consistent_or_refused(file: Path, tmp_path: Path) -> None:
    """The file and its log are copied one after the other, while both change."""
    copies = []
    with writing(file) as process:
        while process.poll() is None or not copies:
            copy = tmp_path / f"copy{len(copies)}.db"
            for ending in ("", "-wal"):
                if Path(f"{file}{ending}").exists():
                    shutil.copyfile(f"{file}{ending}", f"{copy}{ending}")
            copies.append(copy)

    opened = 0
    for copy in copies:
        try:
            assert is_consistent(copy)
            opened += 1
        except Misuse as refused:
            assert "damaged" in str(refused) and "\n" not in str(refused)
    assert opened


FILLS = """
import resource, sys
sys.path.insert(0, sys.argv[2])
from made_results import sighting, result
from pfnlab.cli import main
from pfnlab.base.errors import Undecided
from pfnlab.campaign.store.store import Store
with Store(sys.argv[1]) as store:
    # A file cannot grow further: what writes on a full disk find too.
    most = int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    done = 0
    try:
        for shard in range(1, 40):
            store.finish(sighting("c", shard), [result(shard * 100 + number) for number in range(50)])
            done += 1
    except Undecided as full:
        print(full)
    print(done)
"""


def fill(file: Path, most: int) -> tuple[str, int]:
    """Finish shards until no file can grow beyond *most* bytes: the message, and how many were finished."""
    done = subprocess.run(
        [sys.executable, "-c", FILLS, str(file), str(Path(__file__).parent), str(most)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "" == done.stderr
    message, _, count = done.stdout.strip().rpartition("\n")
    return message, int(count)


def test_a_full_disk_is_one_line_and_loses_nothing(file: Path) -> None:
    """What was finished before is there, and the rest can be finished later."""
    message, done = fill(file, file.stat().st_size + 150_000)

    assert "cannot be written" in message and "\n" not in message and "pfnlab campaign resume" in message
    assert 0 < done < 39
    with Store(str(file)) as store:
        assert done + 1 == sum(shard.state == DONE for shard in store.shards("c"))
    assert is_consistent(file)
    assert ("", 39 - done) == (fill(file, 1 << 30)[0], 39 - done)
    assert is_consistent(file)


READS = """
import os, resource, sys
from pfnlab.base.errors import Undecided
from pfnlab.campaign.store.store import Store
# No file can grow: what reads on a full disk finds too.
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
with Store(sys.argv[1], make=False) as store:
    print(len(store.results()), len(store.shards("c")), store.is_running("c"))
    try:
        store.ask_to_stop("c")
    except Undecided as full:
        print(full)
"""

LEAVES = """
import os, sys
sys.path.insert(0, sys.argv[2])
from made_results import sighting, result
from pfnlab.campaign.store.store import Store
store = Store(sys.argv[1])
store.finish(sighting("c", 1), [result(100 + number) for number in range(50)])
os.unlink(f"{sys.argv[1]}-shm")
os._exit(0)
"""


@pytest.mark.parametrize("logged", [False, True])
def test_on_a_full_disk_a_store_is_read(file: Path, logged: bool) -> None:
    """With what stands in its log, too; what would be written is undecided, in one line."""
    if logged:
        left = [sys.executable, "-c", LEAVES, str(file), str(Path(__file__).parent)]
        subprocess.run(left, timeout=60, check=True)

    read = subprocess.run(
        [sys.executable, "-c", READS, str(file)], capture_output=True, text=True, timeout=60, check=True
    )

    rows, said = read.stdout.splitlines()
    assert (f"{100 if logged else 50} 40 False", "") == (rows, read.stderr)
    assert said.startswith(f"{file} cannot be written: ") and said.endswith("`pfnlab campaign resume`")
    assert is_consistent(file)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a file system")
def test_a_full_file_system_is_one_line_and_loses_nothing(tmp_path: Path) -> None:
    """A real one, of 400 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)]
    mounted = subprocess.run(mount, capture_output=True, timeout=30, check=False)
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        path = disk / "results.db"
        with Store(str(path)) as store:
            store.begin("c", {}, shards(40))
            done = 0
            with pytest.raises(Undecided, match="cannot be written"):
                for shard in range(40):
                    found = [result(shard * 100 + number) for number in range(50)]
                    done += store.finish(sighting("c", shard), found)
        assert 0 < done
        # The rest of the disk is full as well, down to the last page.
        with suppress(OSError), (disk / "fill").open("wb", buffering=0) as fill:
            while fill.write(bytes(4096)):
                pass
        with Store(str(path), make=False) as store:
            assert done == sum(shard.state == DONE for shard in store.shards("c"))
        subprocess.run(["mount", "-o", "remount,size=20m", disk], timeout=30, check=True)
        with Store(str(path)) as store:
            assert done == sum(shard.state == DONE for shard in store.shards("c"))
        assert is_consistent(path)
    finally:
        subprocess.run(["umount", disk], timeout=30, check=True)
