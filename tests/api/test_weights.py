"""Downloads: whole, in parts, not at all; names that are safe."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import httpx
import pytest

from service.api.weights.files import content_disposition, whole_file_chunks
from service.api.weights.ranges import ByteRange, parse_range
from service.errors import RangeNotSatisfiable
from service.settings import Settings
from service.store.artifacts import ArtifactStore

from .checks import assert_problem

DATA = bytes(range(256)) * 8192  # 2 MiB: more than one chunk
NAME = f"{'ab' * 32}.safetensors"
URL = f"/weights/{NAME}"


@pytest.fixture(autouse=True)
def stored(api_settings: Settings) -> None:
    ArtifactStore(api_settings.artifact_dir).put_bytes(NAME, DATA)


async def test_the_whole_file(client: httpx.AsyncClient) -> None:
    response = await client.get(URL)
    assert response.content == DATA
    digest = hashlib.sha256(DATA)
    headers = response.headers
    assert headers["etag"] == f'"{digest.hexdigest()}"'
    assert headers["repr-digest"] == f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    assert headers["content-length"] == str(len(DATA))
    assert headers["content-type"] == "application/vnd.safetensors"
    assert headers["accept-ranges"] == "bytes"
    assert "immutable" in headers["cache-control"]
    assert headers["content-disposition"] == 'attachment; filename="abababababababab.safetensors"'


async def test_a_damaged_file_is_cut_short_and_then_gone(
    client: httpx.AsyncClient, api_settings: Settings
) -> None:
    path = ArtifactStore(api_settings.artifact_dir).path(NAME)
    path.write_bytes(b"\xff" + DATA[1:])
    with pytest.raises(AssertionError):  # the client of these tests takes no answer that ends early
        await client.get(URL)
    assert_problem(await client.get(URL), 404, "not-found")
    assert not path.exists()


@pytest.mark.parametrize("chunks", [1, 2, 3])
async def test_a_caller_who_leaves_early_leaves_no_open_file(tmp_path: Path, chunks: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(DATA * 2)
    outcomes: list[bool] = []
    file = path.open("rb")
    body = whole_file_chunks(file, 2 * len(DATA), "00", outcomes.append)
    for _ in range(chunks):
        assert await anext(body)
    await body.aclose()
    assert file.closed and not outcomes


async def test_head_has_the_headers_of_get(client: httpx.AsyncClient) -> None:
    head, get = await client.head(URL), await client.get(URL)
    assert head.status_code == 200 and head.content == b""
    for name in ("etag", "content-length", "content-type", "accept-ranges", "repr-digest"):
        assert head.headers[name] == get.headers[name]


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [
        ("bytes=0-9", 0, 10),
        ("bytes=5-", 5, len(DATA)),
        ("bytes=-7", len(DATA) - 7, len(DATA)),
        ("bytes=0-0", 0, 1),
        ("bytes=1048570-1048590", 1048570, 1048591),
        (f"bytes=10-{10**15}", 10, len(DATA)),
        (f"bytes=-{10**15}", 0, len(DATA)),
    ],
)
async def test_one_range(client: httpx.AsyncClient, header: str, start: int, stop: int) -> None:
    response = await client.get(URL, headers={"Range": header})
    assert response.status_code == 206
    assert response.content == DATA[start:stop]
    assert response.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(DATA)}"
    assert response.headers["content-length"] == str(stop - start)


@pytest.mark.parametrize(
    "header",
    ["bytes=0-1,4-5", "bytes=-", "bytes=9-2", "lines=1-2", "bytes=a-b", "bytes", "bytes=" + "9" * 40 + "-"],
)
async def test_ranges_that_are_not_served_give_the_whole(client: httpx.AsyncClient, header: str) -> None:
    response = await client.get(URL, headers={"Range": header})
    assert response.status_code == 200 and len(response.content) == len(DATA)


@pytest.mark.parametrize("header", [f"bytes={len(DATA)}-", f"bytes={10**12}-{10**12 + 1}", "bytes=-0"])
async def test_ranges_outside(client: httpx.AsyncClient, header: str) -> None:
    response = await client.get(URL, headers={"Range": header})
    problem = assert_problem(response, 416, "range-not-satisfiable")
    assert response.headers["content-range"] == f"bytes */{len(DATA)}" and problem["size"] == len(DATA)


async def test_what_the_caller_has_already(client: httpx.AsyncClient) -> None:
    etag = (await client.head(URL)).headers["etag"]
    for value in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        response = await client.get(URL, headers={"If-None-Match": value})
        assert response.status_code == 304 and response.content == b"" and response.headers["etag"] == etag
    assert (await client.get(URL, headers={"If-None-Match": '"other"'})).status_code == 200
    assert (await client.get(URL, headers={"Range": "bytes=0-9", "If-Range": etag})).status_code == 206
    assert (await client.get(URL, headers={"Range": "bytes=0-9", "If-Range": '"other"'})).status_code == 200
    assert (await client.get(URL, headers={"Range": "bytes=0-9", "If-Range": f"W/{etag}"})).status_code == 200


async def test_names_that_are_no_files(client: httpx.AsyncClient) -> None:
    assert_problem(await client.get(f"/weights/{'cd' * 32}.safetensors"), 404, "not-found")
    for name in ("x", f"{'ab' * 32}.txt", "%2e%2e%2fetc%2fpasswd", f"{'ab' * 32}.graph.json", "AB" * 32):
        response = await client.get(f"/weights/{name}")
        assert response.status_code in (404, 422)
        assert_problem(response, response.status_code)


async def test_the_name_to_save_under(client: httpx.AsyncClient) -> None:
    response = await client.get(URL, params={"filename": "resnet50"})
    assert response.headers["content-disposition"] == 'attachment; filename="resnet50.safetensors"'


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("net.npz", 'attachment; filename="net.npz"'),
        (
            "../../etc/passwd.npz",
            "attachment; filename=\"etc_passwd.npz\"; filename*=UTF-8''....etcpasswd.npz",
        ),
        ('a"; x="b.npz', "attachment; filename=\"a_x_b.npz\"; filename*=UTF-8''a%3B%20x%3Db.npz"),
        (
            "a\r\nSet-Cookie: b.npz",
            "attachment; filename=\"a_Set-Cookie_b.npz\"; filename*=UTF-8''aSet-Cookie%3A%20b.npz",
        ),
        ("Netz ü.npz", "attachment; filename=\"Netz.npz\"; filename*=UTF-8''Netz%20%C3%BC.npz"),
        ("..npz", "attachment; filename=\"weights.npz\"; filename*=UTF-8''..npz"),
    ],
)
def test_content_disposition_is_safe(name: str, expected: str) -> None:
    assert content_disposition(name) == expected


def test_ranges_by_themselves() -> None:
    assert parse_range(None, 10) is None
    assert parse_range("bytes=2-3", 10) == ByteRange(2, 4, 10)
    with pytest.raises(RangeNotSatisfiable):
        parse_range("bytes=0-", 0)
