"""Artifacts in a bucket: two machines, each with a folder of copies, over the wire of S3."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.errors import InvalidRequest, NotFound, Unavailable
from service.settings import Settings
from service.store.artifacts import ArtifactStore
from service.store.object_store import ObjectArtifacts, connect_bucket, open_artifacts
from tests.store import s3_stand_in

NAME = "ab" * 32 + ".safetensors"
KEY = f"prefix/ab/{NAME}"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[s3_stand_in.Bucket]:
    with s3_stand_in.serve() as served:
        monkeypatch.setenv("AWS_ENDPOINT_URL", served.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        yield served


def machine(home: Path) -> ArtifactStore:
    return open_artifacts(Settings(home=home, artifact_url="s3://weights/prefix"))


def test_without_a_bucket_it_is_the_folder(tmp_path: Path) -> None:
    store = open_artifacts(Settings(home=tmp_path, artifact_max_bytes=5))
    assert type(store) is ArtifactStore
    assert (store.root, store.max_bytes) == (tmp_path / "artifacts", 5)


def test_what_one_machine_puts_another_can_read(bucket: s3_stand_in.Bucket, tmp_path: Path) -> None:
    one, two = machine(tmp_path / "one"), machine(tmp_path / "two")
    assert two.find(NAME) is None
    put = one.put_bytes(NAME, b"weights")
    assert put.sha256 == hashlib.sha256(b"weights").hexdigest()
    assert set(bucket.objects) == {KEY, f"{KEY}.meta"}
    assert two.find(NAME) == put and two.stat(NAME) == put
    assert two.read_bytes(NAME) == b"weights"
    assert two.path(NAME).is_relative_to(tmp_path / "two")


def test_a_copy_is_fetched_once(bucket: s3_stand_in.Bucket, tmp_path: Path) -> None:
    machine(tmp_path / "one").put_bytes(NAME, b"weights")
    two = machine(tmp_path / "two")
    assert [two.read_bytes(NAME) for _ in range(3)] == [b"weights"] * 3
    assert bucket.requests.count(("GET", KEY)) == 1


def test_a_file_that_is_there_is_not_written_again(bucket: s3_stand_in.Bucket, tmp_path: Path) -> None:
    put = machine(tmp_path / "one").put_bytes(NAME, b"first")
    two = machine(tmp_path / "two")
    assert two.put_file(NAME, lambda file: pytest.fail("written twice")) == put


def test_large_files_travel_in_parts(bucket: s3_stand_in.Bucket, tmp_path: Path) -> None:
    data = bytes(range(256)) * 2**16 + b"tail"  # a little more than two parts
    machine(tmp_path / "one").put_bytes(NAME, data)
    assert bucket.requests.count(("PUT", KEY)) == 3 and bucket.objects[KEY] == data
    assert machine(tmp_path / "two").read_bytes(NAME) == data


def test_a_folder_of_copies_forgets_and_the_bucket_does_not(
    bucket: s3_stand_in.Bucket, tmp_path: Path
) -> None:
    names = [hashlib.sha256(bytes([n])).hexdigest() + ".npz" for n in range(4)]
    store = ObjectArtifacts(connect_bucket("s3://weights/prefix"), tmp_path, max_bytes=20)
    for name in names:
        store.put_bytes(name, name[:10].encode())
    assert store.total_bytes() <= 20
    assert [store.read_bytes(name) for name in names] == [name[:10].encode() for name in names]


def test_deleting_deletes_everywhere(bucket: s3_stand_in.Bucket, tmp_path: Path) -> None:
    store = machine(tmp_path)
    store.put_bytes(NAME, b"weights")
    assert store.delete(NAME) and not store.delete(NAME)
    assert bucket.objects == {}
    with pytest.raises(NotFound):
        store.path(NAME)


def test_what_arrives_damaged_is_not_kept(bucket: s3_stand_in.Bucket, tmp_path: Path) -> None:
    machine(tmp_path / "one").put_bytes(NAME, b"weights")
    bucket.objects[KEY] = b"wEights"
    two = machine(tmp_path / "two")
    with pytest.raises(Unavailable, match="damaged"):
        two.path(NAME)
    assert two.total_bytes() == 0


def test_an_upload_that_failed_is_made_up_for(bucket: s3_stand_in.Bucket, tmp_path: Path) -> None:
    store = machine(tmp_path / "one")
    bucket.status = 403
    with pytest.raises(Unavailable) as caught:
        store.put_bytes(NAME, b"weights")
    assert caught.value.problem()["retry_after"] == 5
    # As if the store had failed between the two halves of a put: the copy is here, the original is not.
    ArtifactStore(store.root).put_bytes(NAME, b"weights")
    bucket.status = 0
    store.put_bytes(NAME, b"weights")
    assert bucket.objects[KEY] == b"weights"


def test_a_store_that_is_away_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with pytest.raises(Unavailable):
        machine(tmp_path).find(NAME)


def test_addresses_and_names_are_checked(bucket: s3_stand_in.Bucket, tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        open_artifacts(Settings(home=tmp_path, artifact_url="s3://"))
    with pytest.raises(InvalidRequest):
        machine(tmp_path).find("../../etc/passwd")
    assert bucket.requests == []
