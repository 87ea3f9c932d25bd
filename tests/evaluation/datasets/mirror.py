"""A mirror on 127.0.0.1 that keeps count, breaks off, refuses, or lies, as a test wants."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FakeMirror:
    """What the server sends and what it was asked for.

    files: content by name. break_off: for a name, after how many bytes its next transfers stop (one entry per
    transfer). ranges: whether Range is understood. requests: (name, first byte asked for), in order. delay: an event
    that holds every answer back until it is set.
    """

    files: dict[str, bytes]
    address: str = ""
    ranges: bool = True
    break_off: dict[str, list[int]] = field(default_factory=dict)
    requests: list[tuple[str, int]] = field(default_factory=list)
    delay: threading.Event | None = None


@contextmanager
def serve(files: dict[str, bytes]) -> Iterator[FakeMirror]:
    """Run a FakeMirror until the block ends."""
    mirror = FakeMirror(files)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.strip("/")
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            mirror.requests.append((name, int(asked[1]) if asked else 0))
            if mirror.delay is not None:
                mirror.delay.wait(30)
            content = mirror.files.get(name)
            if content is None:
                self.send_error(404)
                return
            start = int(asked[1]) if asked and mirror.ranges else 0
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body = content[start:]
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            stops = mirror.break_off.get(name)
            self.wfile.write(body[: stops.pop(0)] if stops else body)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    mirror.address = f"http://127.0.0.1:{server.server_address[1]}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield mirror
    finally:
        server.shutdown()
        server.server_close()
