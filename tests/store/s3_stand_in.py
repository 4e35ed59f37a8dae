"""An S3 bucket on a loopback port, as much of it as a client asks for; signatures are not read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from re import findall
from urllib.parse import parse_qs, urlsplit


@dataclass
class Bucket:
    """objects: content by key. requests: (method, key). status: answered to everything, where it is not 0."""

    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    parts: dict[str, dict[int, bytes]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    status: int = 0


@contextmanager
def serve(name: str = "weights") -> Iterator[Bucket]:
    bucket = Bucket()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
            self.send_response(status)
            for header, value in headers.items():
                self.send_header(header, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = urlsplit(self.path)
            key = parts.path.removeprefix(f"/{name}").lstrip("/")
            query = {field: values[0] for field, values in parse_qs(parts.query, True).items()}
            bucket.requests.append((self.command, key))
            if bucket.status:
                return self._answer(bucket.status)
            if self.command == "GET":
                return self._get(key)
            if self.command == "PUT":
                return self._put(key, query, body)
            return self._post(key, query, body)

        do_GET = do_PUT = do_POST = _handle

        def _get(self, key: str) -> None:
            if key not in bucket.objects:
                return self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
            data = bucket.objects[key]
            self._answer(200, data, ETag=_etag(data), **{"Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"})

        def _put(self, key: str, query: dict[str, str], body: bytes) -> None:
            if "partNumber" in query:
                bucket.parts[query["uploadId"]][int(query["partNumber"])] = body
            else:
                bucket.objects[key] = body
            self._answer(200, ETag=_etag(body))

        def _post(self, key: str, query: dict[str, str], body: bytes) -> None:
            if "uploads" in query:
                upload = f"upload-{len(bucket.parts)}"
                bucket.parts[upload] = {}
                text = _element("InitiateMultipartUploadResult", _element("UploadId", upload))
            elif "uploadId" in query:
                pieces = bucket.parts.pop(query["uploadId"])
                bucket.objects[key] = b"".join(pieces[number] for number in sorted(pieces))
                text = _element("CompleteMultipartUploadResult", _element("ETag", _etag(b"")))
            else:
                gone = findall(r"<Key>(.*?)</Key>", body.decode())
                for each in gone:
                    bucket.objects.pop(each, None)
                deleted = (_element("Deleted", _element("Key", each)) for each in gone)
                text = _element("DeleteResult", "".join(deleted))
            self._answer(200, text.encode())

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    bucket.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield bucket
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def _etag(data: bytes) -> str:
    return f'"{md5(data, usedforsecurity=False).hexdigest()}"'


def _element(name: str, content: str) -> str:
    return f"<{name}>{content}</{name}>"
