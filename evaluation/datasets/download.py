"""One file over HTTP, resumed where an earlier attempt stopped."""

from __future__ import annotations

import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

ATTEMPTS = 4
TIMEOUT = 20.0  # seconds without a byte
SHORT_TIMEOUT = 4.0  # the same, to find out whether there is a server at all
CHUNK = 1 << 16


class SourceError(Exception):
    """A source cannot give a file; the message is the reason."""


class Progress(Protocol):
    """What is told about a transfer: bytes so far and, where the server says it, bytes in all."""

    def __call__(self, done: int, total: int | None) -> None: ...


def download(url: str, part: Path, progress: Progress | None = None) -> None:
    """Fetch `url` into the file `part`; bytes that `part` already holds are not asked for again (HTTP Range).

    An interrupted transfer is resumed, at most `ATTEMPTS` times in all. Raises SourceError when the server
    cannot be reached, refuses, or keeps breaking off; `part` then holds what arrived.
    """
    reason = ""
    for _ in range(ATTEMPTS):
        before = _size(part)
        try:
            missing = _transfer(url, part, progress or (lambda done, total: None))
        except urllib.error.HTTPError as error:
            if error.code == 416 and before:  # what is there is the whole file, or not of this file
                if error.headers.get("Content-Range") == f"bytes */{before}":
                    return
                part.unlink()
                continue
            if error.code < 500:
                raise SourceError(f"HTTP {error.code} {error.reason}") from error
            reason = f"HTTP {error.code} {error.reason}"
        except (OSError, http.client.HTTPException) as error:
            reason = _reason(error)
            if _size(part) == before:  # not one byte came: no use in asking again
                break
        else:
            if not missing:
                return
            reason = f"the transfer broke off {missing} bytes before the end"
    raise SourceError(reason or "the server does not say how long the file is")


def first_bytes(url: str, n: int = 16) -> bytes:
    """The first bytes of a file. Raises SourceError when the server cannot be reached within seconds, or refuses."""
    try:
        with urllib.request.urlopen(_request(url, Range=f"bytes=0-{n - 1}"), timeout=SHORT_TIMEOUT) as response:
            return bytes(response.read(n))
    except urllib.error.HTTPError as error:
        raise SourceError(f"HTTP {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise SourceError(_reason(error)) from error


def _request(url: str, **headers: str) -> urllib.request.Request:
    common = {"Accept-Encoding": "identity", "User-Agent": "dcgmm-benchmark"}
    return urllib.request.Request(url, headers={**common, **headers})


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", "") or error or type(error).__name__)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _transfer(url: str, part: Path, progress: Callable[[int, int | None], None]) -> int:
    """One request; the number of bytes that are still missing afterwards (0 when the server gives no length)."""
    done = _size(part)
    request = _request(url, Range=f"bytes={done}-") if done else _request(url)
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        if done and not _continues(response, done):
            done = 0  # the server sends the file from its beginning
        length = response.headers.get("Content-Length")
        total = done + int(length) if length is not None else None
        with part.open("ab" if done else "wb") as out:
            progress(done, total)
            while chunk := response.read(CHUNK):
                out.write(chunk)
                done += len(chunk)
                progress(done, total)
    return 0 if total is None else total - done


def _continues(response: http.client.HTTPResponse, done: int) -> bool:
    content_range = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return response.status == 206 and content_range is not None and int(content_range[1]) == done
