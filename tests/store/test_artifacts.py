"""Files that appear whole or not at all."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import pytest

from service.errors import InvalidRequest, NotFound, Unavailable
from service.store.artifacts import ArtifactStore

NAME = "ab" * 32 + ".safetensors"


def names(count: int) -> list[str]:
    return [hashlib.sha256(bytes([n])).hexdigest() + ".npz" for n in range(count)]


def test_what_is_put_can_be_read_with_its_size_and_digest(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path / "made" / "when needed")
    put = store.put_bytes(NAME, b"weights")
    assert put == store.stat(NAME) and put.size == 7 and put.sha256 == hashlib.sha256(b"weights").hexdigest()
    assert store.read_bytes(NAME) == b"weights" and store.find(NAME) and store.total_bytes() == 7
    assert store.delete(NAME) and store.find(NAME) is None and not store.delete(NAME)


def test_content_is_named_by_its_digest(tmp_path: Path) -> None:
    put = ArtifactStore(tmp_path).put_content(b"{}", "graph.json")
    assert put.name == f"{put.sha256}.graph.json"


def test_a_writer_that_fails_leaves_nothing(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)

    def fail(file: BinaryIO) -> None:
        file.write(b"half")
        raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError):
        store.put_file(NAME, fail)
    assert store.find(NAME) is None and [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_a_full_disk_is_unavailable(tmp_path: Path) -> None:
    def fail(file: BinaryIO) -> None:
        raise OSError(28, os.strerror(28))

    with pytest.raises(Unavailable):
        ArtifactStore(tmp_path).put_file(NAME, fail)


def test_a_file_that_is_there_is_not_written_again(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    store.put_bytes(NAME, b"first")
    store.put_file(NAME, lambda file: pytest.fail("written twice"))
    assert store.read_bytes(NAME) == b"first"


def test_a_damaged_file_is_written_again(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    store.put_bytes(NAME, b"whole")
    store.path(NAME).write_bytes(b"wh")
    assert store.find(NAME) is None
    store.put_bytes(NAME, b"whole")
    assert store.read_bytes(NAME) == b"whole"


def test_many_writers_of_one_name(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: store.put_bytes(NAME, b"x" * 100_000), range(32)))
    assert store.read_bytes(NAME) == b"x" * 100_000
    assert len([p for p in tmp_path.rglob("*") if p.is_file()]) == 2


@pytest.mark.parametrize(
    "name",
    ["", "../../etc/passwd", "ab/../cd.npz", "a.npz", "AB" * 32 + ".npz", "ab" * 32, NAME + "\n",
     NAME + ".meta.x", "ab" * 32 + "./x", "ab" * 32 + ".np z", f"/{NAME}", "ab" * 40 + ".npz"],
)  # fmt: skip
def test_names_that_are_not_ours_are_refused(tmp_path: Path, name: str) -> None:
    store = ArtifactStore(tmp_path)
    for use in (store.path, store.find, store.delete):
        with pytest.raises(InvalidRequest):
            use(name)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        ArtifactStore(tmp_path).path(NAME)


def test_the_longest_unused_files_go_first(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path, max_bytes=10_000)
    first, second, third, fourth = names(4)
    for age, name in ((300, first), (200, second), (100, third)):
        store.put_bytes(name, b"x" * 3000)
        path = store.path(name)
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    store.path(first)  # used just now
    store.put_bytes(fourth, b"x" * 3000)
    assert store.find(second) is None and store.find(first) and store.find(fourth)
    assert store.total_bytes() <= 9000


def test_a_new_file_does_not_cost_a_look_at_all_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, other = ArtifactStore(tmp_path, max_bytes=10_000), ArtifactStore(tmp_path)
    looks: list[str] = []
    evict = ArtifactStore.evict

    def counted(self: ArtifactStore, *, keep: str = "") -> list[str]:
        looks.append(keep)
        return evict(self, keep=keep)

    monkeypatch.setattr(ArtifactStore, "evict", counted)
    many = names(40)
    for name in many[:30]:
        store.put_bytes(name, b"x" * 100)
    assert looks == [many[0]]
    # What another process has added is seen after some seconds.
    for name in many[30:38]:
        other.put_bytes(name, b"x" * 900)
    store.put_bytes(many[38], b"x")
    assert store.total_bytes() > 10_000
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 11)
    store.put_bytes(many[39], b"x")
    assert store.total_bytes() <= 9000


def test_one_thread_at_a_time_looks_at_all_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, begun, go_on = ArtifactStore(tmp_path, max_bytes=1000), threading.Event(), threading.Event()
    looks: list[str] = []
    files = ArtifactStore._files

    def slow(self: ArtifactStore) -> Iterator[tuple[float, int, str]]:
        looks.append(threading.current_thread().name)
        begun.set()
        assert go_on.wait(30)
        return files(self)

    monkeypatch.setattr(ArtifactStore, "_files", slow)
    first, second = names(2)
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(store.put_bytes, first, b"x" * 600)
        assert begun.wait(30)
        store.put_bytes(second, b"x" * 600)  # beyond the limit, but somebody looks already
        assert store.find(second)
        go_on.set()
        looking.result()
    assert threading.current_thread().name not in looks
    assert store.find(first) and store.total_bytes() == 600
