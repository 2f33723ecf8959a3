"""A server of models on this machine, as the real one answers, that can fail in chosen ways."""

import hashlib
import http.server
import json
import re
import threading
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType

LARGE = 1000  # bytes from which a file is kept by its SHA-256, as large files are
REVISION = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Faults:
    """What goes wrong, by the names of files.

    ``drop_after``: the connection breaks after so many bytes of an answer, as often as is said.
    ``statuses``: the answers before the right one. ``wrong``: other bytes, as often as is said.
    """

    drop_after: dict[str, tuple[int, int]] = field(default_factory=dict)
    statuses: dict[str, list[int]] = field(default_factory=dict)
    wrong: dict[str, int] = field(default_factory=dict)
    ignores_ranges: bool = False


class HubServer:
    """Serves ``repos``, files by repository and name; a context manager.

    ``asked`` has the name and the range of every file that was asked for, ``sent`` the bytes that
    went out of each, and ``headers`` what was sent along with each request.
    """

    def __init__(self, repos: dict[str, dict[str, bytes]]) -> None:
        self.repos = repos
        self.faults = Faults()
        self.asked: list[tuple[str, str | None]] = []
        self.sent: Counter[str] = Counter()
        self.headers: list[dict[str, str]] = []
        self.before_block = lambda name: None
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def address(self) -> str:
        """What a mirror's setting would say."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "HubServer":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def listing(self, repo_id: str) -> dict[str, object]:
        """The answer to a question for a repository's files."""
        siblings = []
        for name, content in self.repos[repo_id].items():
            entry: dict[str, object] = {"rfilename": name, "size": len(content)}
            blob = b"blob %d\0" % len(content) + content
            entry["blobId"] = hashlib.sha1(blob, usedforsecurity=False).hexdigest()
            if len(content) >= LARGE:
                digest = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 134}
            siblings.append(entry)
        return {"id": repo_id, "sha": REVISION, "siblings": siblings}


def _handler(hub: HubServer) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            hub.headers.append({name.lower(): value for name, value in self.headers.items()})
            path = self.path.partition("?")[0]
            if match := re.fullmatch(r"/api/models/(.+)/revision/main", path):
                self._list(match[1])
            elif match := re.fullmatch(rf"/(.+)/resolve/{REVISION}/(.+)", path):
                self._resolve(match[1], match[2])
            elif match := re.fullmatch(r"/large/(.+)/([^/]+)", path):
                self._send(match[2], hub.repos[match[1]][match[2]])
            else:
                self._status(404)

        def _list(self, repo_id: str) -> None:
            if waiting := hub.faults.statuses.get(repo_id):
                self._status(waiting.pop(0))
            elif repo_id not in hub.repos:
                self._status(404)
            else:
                content = json.dumps(hub.listing(repo_id)).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def _resolve(self, repo_id: str, name: str) -> None:
            content = hub.repos.get(repo_id, {}).get(name)
            if content is None:
                self._status(404)
            elif len(content) >= LARGE:  # large files lie elsewhere
                self.send_response(302)
                self.send_header("location", f"/large/{repo_id}/{name}")
                self.send_header("content-length", "0")
                self.end_headers()
            else:
                self._send(name, content)

        def _send(self, name: str, content: bytes) -> None:
            faults = hub.faults
            if waiting := faults.statuses.get(name):
                self._status(waiting.pop(0))
                return
            wanted = self.headers.get("range")
            hub.asked.append((name, wanted))
            if faults.wrong.get(name):
                faults.wrong[name] -= 1
                content = bytes([content[0] ^ 1]) + content[1:]
            begin = 0
            if wanted is not None and not faults.ignores_ranges:
                begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
                self.send_response(206)
                self.send_header(
                    "content-range", f"bytes {begin}-{len(content) - 1}/{len(content)}"
                )
            else:
                self.send_response(200)
            self.send_header("content-length", str(len(content) - begin))
            self.end_headers()
            rest = content[begin:]
            limit, times = faults.drop_after.get(name, (len(rest), 0))
            if times:
                faults.drop_after[name] = limit, times - 1
                rest = rest[:limit]
                self.close_connection = True
            for start in range(0, len(rest), 1 << 16):
                hub.before_block(name)
                block = rest[start : start + (1 << 16)]
                try:
                    self.wfile.write(block)
                except OSError:  # the one who asked has gone
                    self.close_connection = True
                    return
                hub.sent[name] += len(block)

        def _status(self, status: int) -> None:
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    return Handler
