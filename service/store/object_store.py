"""Artifacts in an object store (S3, or one that speaks like it), with a folder of copies on each machine.

The bucket holds the truth: `<two digits>/<name>` and, written after it, `<name>.meta` with its size and
SHA-256. Files never change, so a copy is as good as the original, and the folder may forget any of them.
What the bucket forgets is the business of its own lifecycle rules.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from service.errors import NotFound, Unavailable
from service.settings import Settings
from service.store.artifacts import Artifact, ArtifactStore

if TYPE_CHECKING:
    from obstore.store import ObjectStore

CHUNK_BYTES = 8 * 2**20
# A request must not hang on the store: it is asked three times at most, within seconds.
_RETRIES, _RETRY_SECONDS, _CONNECT_SECONDS, _ANSWER_SECONDS = 2, 10, 3, 60


def open_artifacts(settings: Settings) -> ArtifactStore:
    """The artifacts of a service: a folder, or a bucket where one is configured.

    Errors: Unavailable for an address that is none of an object store.
    """
    if settings.artifact_url is None:
        return ArtifactStore(settings.artifact_dir, max_bytes=settings.artifact_max_bytes)
    return ObjectArtifacts(
        connect_bucket(settings.artifact_url), settings.artifact_dir, max_bytes=settings.artifact_max_bytes
    )


def connect_bucket(url: str) -> ObjectStore:
    """The bucket at `s3://bucket/prefix` (or `gs://`, `az://`). No connection is opened before its first use.

    Credentials and endpoints come from the environment, as for the tools of the provider (AWS_ACCESS_KEY_ID,
    AWS_ENDPOINT_URL, ...).
    """
    from obstore.store import from_url

    with _store_or_unavailable():
        return from_url(
            url,
            client_options={
                "connect_timeout": f"{_CONNECT_SECONDS}s",
                "timeout": f"{_ANSWER_SECONDS}s",
                "allow_http": True,  # where the operator's endpoint says http: a store inside of a cluster
            },
            retry_config={"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=_RETRY_SECONDS)},
        )


class ObjectArtifacts(ArtifactStore):
    """A bucket, and a folder that keeps the copies this machine has used last (up to `max_bytes`)."""

    def __init__(self, bucket: ObjectStore, root: Path | str, *, max_bytes: int = 0) -> None:
        super().__init__(root, max_bytes=max_bytes)
        self.bucket = bucket

    def put_file(self, name: str, writer: Callable[[BinaryIO], object], *, durable: bool = True) -> Artifact:
        if (known := self._in_bucket(name)) is not None:
            return known
        # A copy without an original is left by an upload that failed: it is sent now.
        artifact = super().put_file(name, writer, durable=durable)
        self._upload(artifact)
        return artifact

    def path(self, name: str) -> Path:
        try:
            return super().path(name)
        except NotFound:
            self._download(name)
            return super().path(name)

    def find(self, name: str) -> Artifact | None:
        return super().find(name) or self._in_bucket(name)

    def delete(self, name: str) -> bool:
        import obstore

        there = self._in_bucket(name) is not None
        with _store_or_unavailable():
            # The description first: without it there is no file.
            obstore.delete(self.bucket, _description_key(name))
            obstore.delete(self.bucket, _key(name))
        return self._forget(name) or there

    def _in_bucket(self, name: str) -> Artifact | None:
        import obstore

        self._place(name)  # refuses what is not one of our names
        with _store_or_unavailable():
            try:
                text = bytes(obstore.get(self.bucket, _description_key(name)).bytes())
            except FileNotFoundError:
                return None
        fields = json.loads(text)
        return Artifact(name=name, size=fields["size"], sha256=fields["sha256"])

    def _upload(self, artifact: Artifact) -> None:
        import obstore

        with _store_or_unavailable():
            obstore.put(self.bucket, _key(artifact.name), self._place(artifact.name), chunk_size=CHUNK_BYTES)
            obstore.put(self.bucket, _description_key(artifact.name), json.dumps(asdict(artifact)).encode())

    def _download(self, name: str) -> None:
        """Make a copy, if the bucket has the file. Errors: Unavailable when what arrives is damaged."""
        original = self._in_bucket(name)
        if original is None:
            return
        copy = super().put_file(name, lambda file: file.writelines(self._chunks(name)), durable=False)
        if copy != original:
            self._forget(name)
            raise Unavailable(
                f"the file {name} arrived damaged from the object store",
                retry_after=5,
                hint="try again; when it lasts, the operator should look at the bucket",
            )

    def _chunks(self, name: str) -> Iterator[bytes]:
        import obstore

        with _store_or_unavailable():
            for chunk in obstore.get(self.bucket, _key(name)).stream(min_chunk_size=CHUNK_BYTES):
                yield bytes(chunk)


def _key(name: str) -> str:
    return f"{name[:2]}/{name}"


def _description_key(name: str) -> str:
    return f"{_key(name)}.meta"


@contextmanager
def _store_or_unavailable() -> Iterator[None]:
    """Turn every failure of the object store into Unavailable."""
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, OSError, ValueError) as error:
        raise Unavailable(
            "the object store of the artifacts does not answer as it should",
            reason=type(error).__name__,
            retry_after=5,
            hint="try again; when it lasts, the operator should look at WEIGHTCAST_ARTIFACT_URL and its "
            "credentials",
        ) from error
