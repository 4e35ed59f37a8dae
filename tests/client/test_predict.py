"""predict_weights from the request to the numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
import torch

from service.client import Client, JobCancelled, JobFailed, JobTimeout, Progress, UnexpectedAnswer
from service.client._kept_files import KeptFiles
from service.client._together import Together
from service.client._transfer import Download
from tests.client.conftest import Either, FakeTime
from tests.client.scripted import (
    BrokenStream,
    Script,
    download,
    job,
    prediction,
    problem,
    two_tensor_weights,
    weights_file,
)

Make = Callable[..., Either]
CELL = {"format": "nasbench201", "cell": "|none~0|+|none~0|none~1|+|none~0|none~1|nor_conv_3x3~2|"}


def test_an_answer_in_time(either: Make, fake_time: FakeTime) -> None:
    body = weights_file()
    script = Script(job(result=prediction(body)), download(body))

    weights = either(script.transport, api_key="k").predict_weights(CELL, model="ghn2-cifar10")

    assert script.sent_json() == {
        "architecture": CELL,
        "model": "ghn2-cifar10",
        "dtype": "float32",
        "output": "tiles",
        "include_classifier": True,
    }
    assert script.requests[0].headers["Prefer"] == "wait=20"
    assert all(request.headers["Authorization"] == "Bearer k" for request in script.requests)
    assert fake_time.sleeps == []
    expected = two_tensor_weights().expand()
    assert {name: array.shape for name, array in weights.numpy().items()} == {
        "conv.weight": (8, 3, 3, 3),
        "conv.bias": (8,),
    }
    for name, array in weights.numpy().items():
        np.testing.assert_array_equal(array, expected[name])
    assert weights.digest == "d" * 64
    assert weights.complete and weights.defaulted == ("conv.bias",)


def test_an_example_says_what_a_module_is_called_with(either: Make, fake_time: FakeTime) -> None:
    class Both(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv2d(3, 8, 3)

        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return self.conv(a + b)

    body, image = weights_file(), torch.zeros(1, 3, 9, 9)
    script = Script(job(result=prediction(body)), download(body))
    either(script.transport).predict_weights(Both(), example={"b": image, "a": image})
    sent = script.sent_json()["architecture"]
    assert [node["op"] for node in sent["nodes"]] == ["input", "input", "add", "conv"]
    assert sent["input_shape"] == [3, 9, 9]


@pytest.mark.parametrize("output", ["tiles", "safetensors", "npz"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_every_form_gives_the_same_numbers(
    either: Make, fake_time: FakeTime, output: str, dtype: str
) -> None:
    body = weights_file(output, dtype)
    script = Script(job(result=prediction(body)), download(body))
    weights = either(script.transport).predict_weights(CELL, output=output, dtype=dtype)
    expected = two_tensor_weights().expand(dtype)
    for name, array in weights.numpy().items():
        assert array.dtype == expected[name].dtype
        np.testing.assert_array_equal(array, expected[name])
    assert weights.provenance["conv.bias"] == "defaulted"


def test_a_long_job_is_polled_and_reported(either: Make, fake_time: FakeTime) -> None:
    body = weights_file()
    script = Script(
        job("queued", http_status=202, progress={"done": 0, "total": 3, "message": "queued"}),
        job("running", progress={"done": 1, "total": 3, "message": "predicting"}),
        job("succeeded", result=prediction(body), progress={"done": 3, "total": 3, "message": "done"}),
        download(body),
    )
    seen: list[Progress] = []
    either(script.transport).predict_weights(CELL, progress=seen.append)
    assert [request.url.path for request in script.requests[1:3]] == ["/jobs/j1", "/jobs/j1"]
    assert script.requests[1].url.params["wait"] == "1"
    assert fake_time.sleeps == pytest.approx([0.1])  # the script does not hold requests
    assert [progress.message for progress in seen] == ["queued", "predicting", "done", "downloading"]
    assert seen[-1].done == seen[-1].total == len(body)


def test_a_failed_job_carries_its_problem(either: Make, fake_time: FakeTime) -> None:
    error = json.loads(problem(422).content)
    script = Script(job("queued", http_status=202), job("failed", error=error))
    with pytest.raises(JobFailed, match="job j1 failed: The graph has a cycle") as caught:
        either(script.transport).predict_weights(CELL)
    assert caught.value.problem["status"] == 422
    assert caught.value.job.id == "j1"


def test_a_cancelled_job(either: Make, fake_time: FakeTime) -> None:
    with pytest.raises(JobCancelled):
        either(Script(job("cancelled")).transport).predict_weights(CELL)


def test_a_job_that_does_not_end(either: Make, fake_time: FakeTime) -> None:
    script = Script(job("queued", http_status=202), *[job("running")] * 200)
    with pytest.raises(JobTimeout) as caught:
        either(script.transport).predict_weights(CELL, timeout=30)
    assert sum(fake_time.sleeps) <= 30
    assert caught.value.job.status == "running"


def test_prefer_never_asks_for_longer_than_the_deadline(either: Make, fake_time: FakeTime) -> None:
    body = weights_file()
    script = Script(job(result=prediction(body)), download(body))
    either(script.transport).predict_weights(CELL, timeout=3)
    assert script.requests[0].headers["Prefer"] == "wait=3"


def test_a_broken_download_goes_on_where_it_stopped(either: Make, fake_time: FakeTime) -> None:
    body = weights_file()
    half = len(body) // 2
    rest = httpx.Response(
        206, headers={"Content-Range": f"bytes {half}-{len(body) - 1}/{len(body)}"}, content=body[half:]
    )
    script = Script(
        job(result=prediction(body)),
        httpx.Response(200, headers={"ETag": '"d"'}, stream=BrokenStream(body[:100], body[100:half])),
        rest,
    )
    weights = either(script.transport).predict_weights(CELL)
    assert script.requests[2].headers["Range"] == f"bytes={half}-"
    assert script.requests[2].headers["If-Range"] == '"d"'
    assert weights.num_parameters == two_tensor_weights().num_parameters


def test_a_file_that_changed_meanwhile_starts_over(either: Make, fake_time: FakeTime) -> None:
    body = weights_file()
    script = Script(
        job(result=prediction(body)),
        httpx.Response(200, headers={"ETag": '"old"'}, stream=BrokenStream(b"stale bytes")),
        download(body),
    )
    assert len(either(script.transport).predict_weights(CELL)) == 2


def test_without_an_etag_nothing_is_resumed(either: Make, fake_time: FakeTime) -> None:
    body = weights_file()
    script = Script(
        job(result=prediction(body)), httpx.Response(200, stream=BrokenStream(body[:50])), download(body)
    )
    either(script.transport).predict_weights(CELL)
    assert "Range" not in script.requests[2].headers


def test_a_damaged_download_is_noticed(either: Make, fake_time: FakeTime) -> None:
    body = weights_file()
    damaged = body[:-1] + bytes([body[-1] ^ 1])
    with pytest.raises(UnexpectedAnswer, match="damaged"):
        either(Script(job(result=prediction(body)), download(damaged)).transport).predict_weights(CELL)
    with pytest.raises(UnexpectedAnswer, match="bytes instead of"):
        either(Script(job(result=prediction(body)), download(body[:-1])).transport).predict_weights(CELL)


def test_a_range_that_does_not_continue_is_refused(either: Make, fake_time: FakeTime) -> None:
    body = weights_file()
    script = Script(
        job(result=prediction(body)),
        httpx.Response(200, headers={"ETag": '"d"'}, stream=BrokenStream(body[:50])),
        httpx.Response(206, headers={"Content-Range": "bytes 10-20/99"}, content=b"x" * 11),
    )
    with pytest.raises(UnexpectedAnswer, match="requested bytes from 50, got bytes from 10"):
        either(script.transport).predict_weights(CELL)


def test_the_key_stays_with_the_service(either: Make, fake_time: FakeTime) -> None:
    body = weights_file()
    result = prediction(body)
    result["weights"]["url"] = "https://store.test/bucket/d.tiles.safetensors?signature=1"
    script = Script(job(result=result), download(body))
    either(script.transport, api_key="secret").predict_weights(CELL)
    assert script.requests[1].url.host == "store.test"
    assert "Authorization" not in script.requests[1].headers


def test_an_answer_of_another_service(either: Make, fake_time: FakeTime) -> None:
    with pytest.raises(UnexpectedAnswer, match="did not answer JSON"):
        either(Script(httpx.Response(200, content=b"hello")).transport).predict_weights(CELL)
    with pytest.raises(UnexpectedAnswer, match="result of predict-weights"):
        either(Script(httpx.Response(200, json={"hello": 1})).transport).predict_weights(CELL)


def test_without_a_model_the_service_chooses(either: Make, fake_time: FakeTime) -> None:
    body = weights_file()
    script = Script(job(result=prediction(body)), download(body))
    either(script.transport).predict_weights(CELL)
    assert "model" not in script.sent_json()


def test_a_module_that_is_sent_again_is_written_once(
    either: Make, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, body = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3)), weights_file()

    def sent() -> httpx.Request:
        script = Script(job(result=prediction(body)), download(body))
        either(script.transport).predict_weights(module, model="m")
        assert script.requests[0].headers["Content-Type"] == "application/json"
        return script.requests[0]

    first = sent()
    monkeypatch.setattr("service.graph_io.json_writer.graph_document", None)
    assert sent().content == first.content
    assert json.loads(first.content)["architecture"]["nodes"][1]["op"] == "conv"
    monkeypatch.undo()
    module[0] = torch.nn.Conv2d(3, 9, 3)
    assert sent().content != first.content


def both(body: bytes, **members: Any) -> bytes:
    """A job and its file as the service sends them."""
    text = job(result=prediction(body), **members).content
    return (
        b"--b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s\r\n"
        b"--b\r\nContent-Length: %d\r\nETag: x\r\n\r\n%s\r\n--b--\r\n"
    ) % (len(text), text, len(body), body)


def mixed(*chunks: bytes, breaks: bool = False) -> httpx.Response:
    stream = BrokenStream(*chunks) if breaks else httpx.ByteStream(b"".join(chunks))
    return httpx.Response(200, headers={"Content-Type": 'multipart/mixed; boundary="b"'}, stream=stream)


def test_a_job_and_its_file_in_one_answer(either: Make, fake_time: FakeTime) -> None:
    body = weights_file()
    script, seen = Script(mixed(both(body))), list[Progress]()
    weights = either(script.transport).predict_weights(CELL, progress=seen.append)
    assert script.is_finished and script.requests[0].headers["Accept"] == "multipart/mixed, application/json"
    for name, array in two_tensor_weights().expand().items():
        np.testing.assert_array_equal(weights.numpy()[name], array)
    assert (seen[-1].message, seen[-1].done, seen[-1].total) == ("downloading", len(body), len(body))


def test_an_answer_of_two_parts_may_come_in_any_pieces() -> None:
    body = weights_file()
    whole = both(body)
    for size in (1, 7, 100, len(whole)):
        file = Download()
        together = Together(file)
        together.begin(mixed())
        for start in range(0, len(whole), size):
            together.write(whole[start : start + size])
        assert json.loads(together.document)["status"] == "succeeded"
        assert together.file is file and file.body == body and file.total_bytes == len(body)


def test_an_answer_of_two_parts_that_breaks_off_is_asked_for_anew(either: Make, fake_time: FakeTime) -> None:
    body = weights_file()
    whole = both(body)
    for cut in (10, 100, len(whole) - len(body) // 2):
        for second in (mixed(whole), job(result=prediction(body))):
            script = Script(mixed(whole[:cut], breaks=True), second, download(body))
            weights = either(script.transport).predict_weights(CELL)
            assert len(weights) == 2 and script.requests[1].content == script.requests[0].content


def test_an_answer_of_two_parts_is_checked(either: Make, fake_time: FakeTime) -> None:
    body = weights_file()
    whole = both(body)
    damaged = whole.replace(body, body[:-1] + bytes([body[-1] ^ 1]))
    with pytest.raises(UnexpectedAnswer, match="damaged"):
        either(Script(mixed(damaged)).transport).predict_weights(CELL)
    with pytest.raises(UnexpectedAnswer, match="bytes instead of"):
        either(Script(mixed(whole[:-20])).transport).predict_weights(CELL)
    for wrong in (whole.replace(b"Content-Length", b"Length"), b"-" * 20_000, b"--b\r\n\r\n" * 9):
        with pytest.raises(UnexpectedAnswer, match="how long it is"):
            either(Script(mixed(wrong)).transport).predict_weights(CELL)
    with pytest.raises(UnexpectedAnswer, match="did not answer JSON"):
        either(Script(mixed(b"")).transport).predict_weights(CELL)


def test_a_file_that_is_there_is_not_fetched_again() -> None:
    body = weights_file()
    script, seen = Script(mixed(both(body)), job(result=prediction(body))), list[Progress]()
    client = Client("http://service.test", transport=script.transport)
    first = client.predict_weights(CELL)
    for array in first.numpy().values():
        if array.flags.writeable:
            array.fill(0)
    second = client.predict_weights(CELL, progress=seen.append)
    assert script.is_finished and script.requests[1].headers["Accept"] != "multipart/mixed, application/json"
    for name, array in two_tensor_weights().expand().items():
        np.testing.assert_array_equal(second.numpy()[name], array)
    assert (seen[-1].message, seen[-1].done) == ("downloading", len(body))


def test_a_file_that_another_has_replaced_is_fetched() -> None:
    body = weights_file()
    other = body[:-1] + bytes([body[-1] ^ 1])
    script = Script(
        mixed(both(body)), job(result=prediction(other)), download(other), job(result=prediction(other))
    )
    client = Client("http://service.test", transport=script.transport)
    first, second, third = (client.predict_weights(CELL).numpy() for _ in range(3))
    assert script.is_finished
    assert any((first[name] != second[name]).any() for name in first)
    assert all((third[name] == second[name]).all() for name in first)


def test_kept_files_are_bounded() -> None:
    kept = KeptFiles()
    for number in range(9):
        kept.keep(b"%d" % number, "x", bytearray(8 * 2**20))
        kept.of(b"0")
    assert kept.of(b"0") is not None and kept.of(b"8") is not None and kept.of(b"1") is None
    kept.keep(b"large", "x", bytearray(8 * 2**20 + 1))
    kept.keep(b"unknown", None, bytearray(1))
    assert kept.of(b"large") is None and kept.of(b"unknown") is None
