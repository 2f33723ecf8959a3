"""Fetches published files: in parallel, resumable, checked against their checksums.

``huggingface_hub`` says where files are and keeps the connections; ``HF_ENDPOINT`` or an endpoint
given here takes the place of its server. Its own download is not used for three reasons: it throws
away what it has of a file when it is interrupted (version 2.4), it prefers a transfer in native
code that the program's network guard cannot see, and it sends access tokens and facts about the
machine along. Here nothing is sent but the request.

A file grows under a name of its own and takes its place only when its checksum is right; one
program at a time writes to a folder. ``fetch`` runs its own threads and ends them all before it
returns.
"""

import errno
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.cancel import CancelToken
from engine.checksums import Checksum, FileList, FileRecord
from engine.errors import CheckpointError, DownloadError
from engine.verify import fault_in

if TYPE_CHECKING:
    import httpx2

_log = logging.getLogger("engine.download")
_BLOCK = 1 << 20
_N_PARALLEL = 4
_POLL_S = 0.2
_TIMEOUT_S = 20.0
_PATIENCE_S = (1.0, 2.0, 4.0, 8.0)
_LONGEST_TEXT = 200_000
_LOCK_FILE = ".lock"
_WORTH_A_RETRY = frozenset({408, 429, 500, 502, 503, 504})
_HEADERS = {"user-agent": "parley", "accept-encoding": "identity"}
_NO_ROOM = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})

Report = Callable[[int, int], None]
"""Takes how many bytes are there, and how many there will be in all."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Files to fetch into one folder."""

    files: FileList
    folder: Path


class _Lost(Exception):
    """The connection broke, or the server has to be asked again."""


class Hub:
    """A server of published models; belongs to the thread that calls it.

    ``endpoint`` is the address of a mirror, None for the library's own. ``patience_s`` are the
    waits before a broken connection is tried again; any progress starts them anew.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        is_offline: bool = False,
        patience_s: Sequence[float] | None = None,
    ) -> None:
        if endpoint is not None and not endpoint.startswith(("http://", "https://")):
            raise DownloadError(f"{endpoint}: the address of a mirror begins with https://")
        self._endpoint = None if endpoint is None else endpoint.rstrip("/")
        self._is_offline = is_offline
        self._patience_s = tuple(_PATIENCE_S if patience_s is None else patience_s)

    def files(self, repo_id: str, cancel: CancelToken | None = None) -> FileList:
        """Every file of a repository at its newest revision; raises ``DownloadError``."""
        self._refuse_offline()
        from huggingface_hub import constants

        base = self._endpoint or constants.ENDPOINT
        url = f"{base}/api/models/{repo_id}/revision/main?blobs=true"
        answer = self._patiently(lambda: self._answer(url, repo_id), cancel or CancelToken())
        try:
            content = json.loads(answer.content)
            return FileList(repo_id, _plain(content["sha"]), tuple(_records(content["siblings"])))
        except (KeyError, TypeError, ValueError, AttributeError, CheckpointError) as error:
            raise DownloadError(
                f"{base} does not list the files of {repo_id} as expected"
            ) from error

    def text(self, files: FileList, record: FileRecord, cancel: CancelToken | None = None) -> str:
        """The content of a short text file."""
        self._refuse_offline()
        if record.n_bytes > _LONGEST_TEXT:
            raise DownloadError(f"{record.name} of {files.repo_id} is too long to be shown")
        url = self._url(files, record)
        answer = self._patiently(lambda: self._answer(url, record.name), cancel or CancelToken())
        content: bytes = answer.content
        return content.decode("utf-8", errors="replace")

    def fetch(
        self,
        wanted: Sequence[Wanted],
        report: Report = lambda done, total: None,
        cancel: CancelToken | None = None,
    ) -> bool:
        """Fetches all files, a few at a time; says whether all are there, or it was cancelled.

        What is there already is checked and kept. ``report`` is called by the calling thread.
        Raises ``DownloadError``; what was fetched until then is kept and used the next time.
        """
        self._refuse_offline()
        cancel = cancel or CancelToken()
        if cancel.is_cancelled:
            return False
        with ExitStack() as locks:
            for entry in wanted:
                with _disk_errors(entry.folder):
                    entry.folder.mkdir(parents=True, exist_ok=True)
                    locks.enter_context(_sole_writer(entry.folder))
                    entry.files.save(entry.folder)
            jobs = [
                _Job(entry.files, record, entry.folder)
                for entry in wanted
                for record in sorted(entry.files.files, key=lambda record: -record.n_bytes)
            ]
            return self._fetch_all(jobs, report, cancel)

    def _fetch_all(self, jobs: "Sequence[_Job]", report: Report, cancel: CancelToken) -> bool:
        stop = CancelToken()
        total = sum(job.record.n_bytes for job in jobs)
        with ThreadPoolExecutor(_N_PARALLEL, thread_name_prefix="download") as pool:
            pending: set[Future[None]] = {pool.submit(self._fetch, job, stop) for job in jobs}
            everything = frozenset(pending)
            try:
                while pending:
                    done, pending = wait(pending, _POLL_S, return_when=FIRST_EXCEPTION)
                    report(sum(job.n_done for job in jobs), total)
                    if cancel.is_cancelled or any(future.exception() for future in done):
                        stop.cancel()
            finally:
                stop.cancel()
        for future in everything:
            future.result()
        return all(job.is_done for job in jobs)

    def _fetch(self, job: "_Job", stop: CancelToken) -> None:
        """Brings one file to its place; on a thread of its own."""
        if stop.is_cancelled:
            return
        with _disk_errors(job.folder):
            if job.target.is_file() and fault_in(job.target, job.record, job.count, stop) is None:
                job.is_done = not stop.is_cancelled
                job.n_done = job.record.n_bytes
                return
            for _ in range(2):  # a file that came out wrong is fetched once more from its beginning
                checksum = job.resume(stop)
                self._patiently(partial(self._stream, job, checksum, stop), stop, job)
                if stop.is_cancelled:
                    return
                if checksum.matches:
                    job.finish()
                    return
                job.part.unlink()
                job.n_done = 0
                name = job.record.name
                _log.warning("%s came with a wrong checksum", name)
        raise DownloadError(
            f"{job.record.name} of {job.files.repo_id} differs from its published checksum, twice "
            "over: the server or the way to it is broken; try again later, or another mirror"
        )

    def _stream(self, job: "_Job", checksum: Checksum, stop: CancelToken) -> None:
        """Adds what is missing to the growing file; raises ``_Lost`` if it ends too soon."""
        from huggingface_hub import get_session

        if job.n_done == job.record.n_bytes:
            job.part.touch()
            return
        headers = dict(_HEADERS)
        if job.n_done:
            headers["range"] = f"bytes={job.n_done}-"
        url = self._url(job.files, job.record)
        with (
            self._http_errors(job.record.name),
            get_session().stream("GET", url, headers=headers, timeout=_TIMEOUT_S) as response,
            job.part.open("ab") as file,
        ):
            self._check(response, job.record.name)
            if job.n_done and not _continues(response, job.n_done):
                file.truncate(0)
                checksum.restart()
                job.n_done = 0
            # In blocks as they come: a fixed size would lose what had come when a line breaks.
            for block in response.iter_bytes():
                if stop.is_cancelled:
                    return
                if job.n_done + len(block) > job.record.n_bytes:
                    raise DownloadError(
                        f"the server sends more of {job.record.name} than it listed: try again"
                    )
                file.write(block)
                checksum.update(block)
                job.n_done += len(block)
        if job.n_done < job.record.n_bytes:
            raise _Lost(f"{job.record.name} ended after {job.n_done} of {job.record.n_bytes} bytes")

    def _patiently(
        self, act: Callable[[], Any], stop: CancelToken, job: "_Job | None" = None
    ) -> Any:
        """Tries again after a lost connection, with longer and longer waits.

        A cancelled ``job`` just ends; nothing else has a result without an answer.
        """
        waits = iter(self._patience_s)
        before = 0 if job is None else job.n_done
        while not stop.is_cancelled:
            try:
                return act()
            except _Lost as error:
                if job is not None and job.n_done > before:
                    before, waits = job.n_done, iter(self._patience_s)
                pause = next(waits, None)
                _log.info("%s; trying again after %s s", error, pause)
                if pause is None:
                    raise DownloadError(f"{error}; {self._advice}") from error
                stop.wait(pause)
        if job is None:
            raise DownloadError("it was cancelled")

    def _answer(self, url: str, name: str) -> "httpx2.Response":
        from huggingface_hub import get_session

        with self._http_errors(name):
            response = get_session().get(url, headers=_HEADERS, timeout=_TIMEOUT_S)
            self._check(response, name)
            return response

    def _check(self, response: "httpx2.Response", name: str) -> None:
        """Raises unless the server gave what was asked for."""
        status = response.status_code
        if status in _WORTH_A_RETRY:
            raise _Lost(f"the server answered {status} for {name}")
        if status in (401, 403):
            raise DownloadError(
                f"{name}: the server does not give it ({status}): it is not there, or only for "
                "those it knows"
            )
        if status == 404:
            raise DownloadError(f"{name}: the server {response.url.host} does not have it")
        if status >= 400:
            raise DownloadError(f"{name}: the server answered {status}")

    @contextmanager
    def _http_errors(self, name: str) -> Iterator[None]:
        import httpx2
        from huggingface_hub.errors import OfflineModeIsEnabled

        try:
            yield
        except OfflineModeIsEnabled as error:
            raise DownloadError(_OFFLINE) from error
        except httpx2.TransportError as error:
            reason = str(error) or type(error).__name__
            raise _Lost(f"{name}: the server cannot be reached: {reason}") from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise DownloadError(f"{name}: {error}") from error

    def _url(self, files: FileList, record: FileRecord) -> str:
        from huggingface_hub import hf_hub_url

        return hf_hub_url(
            files.repo_id, record.name, revision=files.revision, endpoint=self._endpoint
        )

    def _refuse_offline(self) -> None:
        if self._is_offline:
            raise DownloadError(_OFFLINE)

    @property
    def _advice(self) -> str:
        return "check the network, or name a mirror; what was fetched is kept"


_OFFLINE = (
    "nothing is fetched while offline: allow the network, or name a folder that holds the files"
)


class _Job:
    """One file on its way; ``n_done`` and ``is_done`` are written by its thread alone."""

    def __init__(self, files: FileList, record: FileRecord, folder: Path) -> None:
        self.files = files
        self.record = record
        self.folder = folder
        self.target = folder / record.name
        # The checksum in the name keeps pieces of different versions apart.
        self.part = folder / f"{record.name}.{(record.digest or 'unknown')[:12]}.part"
        self.n_done = 0
        self.is_done = False

    def count(self, n_bytes: int) -> None:
        """Notes how much of the file is there."""
        self.n_done = n_bytes

    def resume(self, stop: CancelToken) -> Checksum:
        """The checksum of what an earlier try left."""
        checksum = self.record.checksum()
        self.n_done = 0
        if not self.part.is_file():
            return checksum
        if self.part.stat().st_size > self.record.n_bytes:
            self.part.unlink()
            return checksum
        with self.part.open("rb") as file:
            while not stop.is_cancelled and (block := file.read(_BLOCK)):
                checksum.update(block)
                self.n_done += len(block)
        return checksum

    def finish(self) -> None:
        """Puts the file in its place, and older pieces of it away."""
        with self.part.open("ab") as file:
            os.fsync(file.fileno())
        os.replace(self.part, self.target)
        for stale in self.folder.glob(f"{self.record.name}.*.part"):
            stale.unlink()
        self.is_done = True


@contextmanager
def _sole_writer(folder: Path) -> Iterator[None]:
    """Keeps other downloads out of a folder: two that add to one file would spoil it."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / _LOCK_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise DownloadError(
            f"{folder}: another download is writing there; let it end, or stop it"
        ) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except CheckpointError as error:
        raise DownloadError(str(error)) from error
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise DownloadError(
                f"the disk of {folder} is full: what was fetched is kept; make room and try again"
            ) from error
        reason = error.strerror or error
        raise DownloadError(f"{folder}: cannot be written to: {reason}") from error


def _continues(response: "httpx2.Response", offset: int) -> bool:
    """Whether the server heeded the wish to go on at ``offset``."""
    span = response.headers.get("content-range", "")
    return response.status_code == 206 and span.startswith(f"bytes {offset}-")


def _records(siblings: list[dict[str, Any]]) -> Iterator[FileRecord]:
    """The files of a listing that lie right in the repository."""
    for entry in siblings:
        name, large = entry["rfilename"], entry.get("lfs")
        if "/" in name or "\\" in name:
            continue
        if large is not None:
            yield FileRecord(name, int(large["size"]), sha256=str(large["sha256"]).lower())
        elif entry.get("size") is not None:
            yield FileRecord(name, int(entry["size"]), git_sha1=entry.get("blobId"))


def _plain(revision: object) -> str:
    text = str(revision)
    if not text.isalnum():
        raise ValueError(text)
    return text
