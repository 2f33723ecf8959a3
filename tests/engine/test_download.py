"""Files come whole, unchanged and only once, whatever happens on the way; nothing is lost."""

import errno
import hashlib
import os
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.cancel import CancelToken
from engine.checksums import LIST_FILE, FileList, FileRecord
from engine.download import Hub, Wanted
from engine.errors import CheckpointError, DownloadError
from tests.hub_server import REVISION, HubServer

pytestmark = pytest.mark.enable_socket

REPO = "someone/a-model"
LARGE = random.Random(0).randbytes(3_000_000)
FILES = {
    "config.json": b'{"a": 1}\n',
    "model-00001-of-00002.safetensors": LARGE,
    "model-00002-of-00002.safetensors": LARGE[::-1],
    "empty.txt": b"",
    "modeling.py": b"raise SystemExit\n",
    "notes/more.safetensors": b"in a folder of its own",
}
SHARD = "model-00001-of-00002.safetensors"
PATTERNS = ("*.json", "*.safetensors", "*.txt")


@pytest.fixture
def server() -> Iterator[HubServer]:
    with HubServer({REPO: dict(FILES)}) as running:
        yield running


@pytest.fixture
def hub(server: HubServer) -> Hub:
    return Hub(server.address, patience_s=(0, 0))


@pytest.fixture
def wanted(hub: Hub, tmp_path: Path) -> Wanted:
    return Wanted(hub.files(REPO).matching(PATTERNS), tmp_path / "model")


def contents(folder: Path) -> dict[str, bytes]:
    ours = (LIST_FILE, ".lock")
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in ours}


EXPECTED = {
    name: content for name, content in FILES.items() if "/" not in name and not name.endswith(".py")
}


def test_the_list_has_sizes_and_checksums_and_only_what_lies_on_top(hub: Hub) -> None:
    files = hub.files(REPO)
    assert (files.repo_id, files.revision) == (REPO, REVISION)
    records = {record.name: record for record in files.files}
    assert records.keys() == FILES.keys() - {"notes/more.safetensors"}
    digest = hashlib.sha256(LARGE).hexdigest()
    assert records[SHARD] == FileRecord(SHARD, len(LARGE), sha256=digest)
    assert records["config.json"].sha256 is None
    assert records["config.json"].git_sha1 is not None


def test_all_files_come_and_what_was_fetched_is_noted(hub: Hub, wanted: Wanted) -> None:
    seen: list[tuple[int, int]] = []
    assert hub.fetch([wanted], lambda done, total: seen.append((done, total)))
    assert contents(wanted.folder) == EXPECTED
    assert FileList.load(wanted.folder) == wanted.files
    total = sum(map(len, EXPECTED.values()))
    assert seen[-1] == (total, total)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_nothing_of_the_user_or_the_machine_is_sent(
    server: HubServer, hub: Hub, wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.fetch([wanted])
    for headers in server.headers:
        assert headers["user-agent"] == "parley"
        assert "authorization" not in headers
        assert "hf_secret" not in repr(headers)


def test_what_is_there_is_not_fetched_again(server: HubServer, hub: Hub, wanted: Wanted) -> None:
    hub.fetch([wanted])
    server.asked.clear()
    assert hub.fetch([wanted])
    assert server.asked == []


def test_a_damaged_file_is_fetched_again_alone(server: HubServer, hub: Hub, wanted: Wanted) -> None:
    hub.fetch([wanted])
    server.asked.clear()
    path = wanted.folder / SHARD
    path.write_bytes(LARGE[:-1] + bytes([LARGE[-1] ^ 1]))
    assert hub.fetch([wanted])
    assert server.asked == [(SHARD, None)]
    assert contents(wanted.folder) == EXPECTED


def test_a_broken_connection_is_taken_up_where_it_broke(
    server: HubServer, hub: Hub, wanted: Wanted
) -> None:
    server.faults.drop_after[SHARD] = (1_234_567, 2)
    assert hub.fetch([wanted])
    assert contents(wanted.folder) == EXPECTED
    begins = [asked for name, asked in server.asked if name == SHARD]
    assert begins[0] is None and len(begins) == 3
    assert all(begin is not None and begin != "bytes=0-" for begin in begins[1:])
    assert server.sent[SHARD] == len(LARGE)


def test_an_interrupted_download_goes_on_the_next_time(
    server: HubServer, hub: Hub, wanted: Wanted
) -> None:
    server.faults.drop_after[SHARD] = (1_000_000, 99)
    server.repos[REPO][SHARD] = LARGE[:1_000_000]  # the server goes away for good
    with pytest.raises(DownloadError, match="what was fetched is kept"):
        Hub(server.address, patience_s=()).fetch([wanted])
    (piece,) = wanted.folder.glob(f"{SHARD}.*.part")
    assert piece.read_bytes() == LARGE[:1_000_000]
    assert not (wanted.folder / SHARD).exists()
    server.faults.drop_after.clear()
    server.repos[REPO][SHARD] = LARGE
    server.sent.clear()
    server.asked.clear()
    assert hub.fetch([wanted])
    assert contents(wanted.folder) == EXPECTED
    assert (SHARD, "bytes=1000000-") in server.asked
    assert server.sent[SHARD] == len(LARGE) - 1_000_000


def test_a_cancelled_download_keeps_its_pieces_and_goes_on_the_next_time(
    server: HubServer, hub: Hub, wanted: Wanted
) -> None:
    cancel, go_on = CancelToken(), threading.Event()

    def hold_back(name: str) -> None:
        if name == SHARD and server.sent[SHARD] >= 1_000_000:
            go_on.wait(60)

    def stop_in_the_middle(done: int, total: int) -> None:
        if done >= 1_000_000 and not cancel.is_cancelled:
            cancel.cancel()
            threading.Timer(0.5, go_on.set).start()

    server.before_block = hold_back
    assert not hub.fetch([wanted], stop_in_the_middle, cancel)
    kept = sum(map(len, contents(wanted.folder).values()))
    assert kept >= 1_000_000
    assert not (wanted.folder / SHARD).exists()
    server.sent.clear()
    assert hub.fetch([wanted])
    assert contents(wanted.folder) == EXPECTED
    assert server.sent.total() == sum(map(len, EXPECTED.values())) - kept


def test_a_second_download_to_the_same_folder_is_refused_while_the_first_one_runs(
    server: HubServer, hub: Hub, wanted: Wanted
) -> None:
    has_begun, go_on = threading.Event(), threading.Event()

    def hold_back(name: str) -> None:
        has_begun.set()
        go_on.wait(60)

    server.before_block = hold_back
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(Hub(server.address).fetch, [wanted])
        assert has_begun.wait(60)
        try:
            with pytest.raises(DownloadError, match="another download is writing there"):
                hub.fetch([wanted])
        finally:
            go_on.set()
        assert first.result(60)
    assert contents(wanted.folder) == EXPECTED
    assert hub.fetch([wanted])


def test_pieces_of_another_version_are_not_mixed_in(
    server: HubServer, hub: Hub, wanted: Wanted
) -> None:
    wanted.folder.mkdir()
    (wanted.folder / f"{SHARD}.0123456789ab.part").write_bytes(b"of yesterday's version")
    assert hub.fetch([wanted])
    assert contents(wanted.folder) == EXPECTED


def test_a_piece_that_is_longer_than_the_file_is_thrown_away(hub: Hub, wanted: Wanted) -> None:
    wanted.folder.mkdir()
    digest = hashlib.sha256(LARGE).hexdigest()[:12]
    (wanted.folder / f"{SHARD}.{digest}.part").write_bytes(LARGE + b"x")
    assert hub.fetch([wanted])
    assert contents(wanted.folder) == EXPECTED


def test_a_server_that_cannot_go_on_starts_anew(
    server: HubServer, hub: Hub, wanted: Wanted
) -> None:
    server.faults.drop_after[SHARD] = (1_000_000, 1)
    server.faults.ignores_ranges = True
    assert hub.fetch([wanted])
    assert contents(wanted.folder) == EXPECTED


def test_a_flipped_byte_on_the_way_is_fetched_once_more(
    server: HubServer, hub: Hub, wanted: Wanted
) -> None:
    server.faults.wrong[SHARD] = 1
    assert hub.fetch([wanted])
    assert contents(wanted.folder) == EXPECTED


@pytest.mark.parametrize("name", [SHARD, "config.json"])
def test_a_wrong_checksum_twice_over_is_told_and_nothing_wrong_is_kept(
    server: HubServer, hub: Hub, wanted: Wanted, name: str
) -> None:
    server.faults.wrong[name] = 99
    with pytest.raises(DownloadError, match=f"{name} of {REPO} differs"):
        hub.fetch([wanted])
    assert not (wanted.folder / name).exists()
    assert not list(wanted.folder.glob(f"{name}*.part"))


def test_a_busy_server_is_asked_again(server: HubServer, hub: Hub, wanted: Wanted) -> None:
    server.faults.statuses = {REPO: [503], SHARD: [429, 500]}
    assert hub.files(REPO).revision == REVISION
    assert hub.fetch([wanted])
    assert contents(wanted.folder) == EXPECTED


@pytest.mark.parametrize(
    ("status", "told"), [(401, "those it knows"), (404, "does not have it"), (418, "418")]
)
def test_a_refusal_is_one_line_and_final(
    server: HubServer, hub: Hub, status: int, told: str
) -> None:
    server.faults.statuses[REPO] = [status] * 9
    with pytest.raises(DownloadError, match=told) as caught:
        hub.files(REPO)
    assert "\n" not in str(caught.value)
    assert len(server.faults.statuses[REPO]) == 8


def test_a_repository_that_is_not_there_is_told(hub: Hub) -> None:
    with pytest.raises(DownloadError, match="someone/nothing"):
        hub.files("someone/nothing")


def test_no_server_at_all_is_one_line_with_advice(tmp_path: Path) -> None:
    with HubServer({}) as gone:
        address = gone.address
    with pytest.raises(DownloadError, match=r"cannot be reached.*check the network") as caught:
        Hub(address, patience_s=(0,)).files(REPO)
    assert "\n" not in str(caught.value)


def test_offline_nothing_is_asked(server: HubServer, wanted: Wanted) -> None:
    server.headers.clear()
    hub = Hub(server.address, is_offline=True)
    for act in (lambda: hub.files(REPO), lambda: hub.fetch([wanted])):
        with pytest.raises(DownloadError, match="while offline"):
            act()
    assert server.headers == []


def test_the_librarys_own_offline_mode_is_heeded(
    server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DownloadError, match="while offline"):
        Hub(server.address, patience_s=()).files(REPO)


def test_a_mirror_must_be_an_address() -> None:
    with pytest.raises(DownloadError, match="https://"):
        Hub("mirror.example")


@pytest.mark.parametrize("listing", [b"[]", b"{}", b'{"sha": "../..", "siblings": []}', b"<html>"])
def test_a_listing_that_makes_no_sense_is_told(
    server: HubServer, hub: Hub, listing: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    import json

    monkeypatch.setattr(json, "dumps", lambda content: listing.decode())
    with pytest.raises(DownloadError, match="does not list the files"):
        hub.files(REPO)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_told_and_what_is_complete_is_kept(
    server: HubServer, hub: Hub, wanted: Wanted
) -> None:
    wanted.folder.mkdir()
    digest = hashlib.sha256(LARGE[::-1]).hexdigest()[:12]
    full = wanted.folder / f"model-00002-of-00002.safetensors.{digest}.part"
    os.symlink("/dev/full", full)
    with pytest.raises(DownloadError, match=r"disk of .* is full: what was fetched is kept"):
        hub.fetch([wanted])
    full.unlink()
    server.asked.clear()
    assert hub.fetch([wanted])
    assert contents(wanted.folder) == EXPECTED


def test_a_folder_that_cannot_be_made_is_told(hub: Hub, wanted: Wanted, tmp_path: Path) -> None:
    (tmp_path / "model").write_text("a file is in the way")
    with pytest.raises(DownloadError, match=os.strerror(errno.EEXIST)):
        hub.fetch([wanted])


@pytest.mark.parametrize("name", ["../x", "/x", "a/b", "", ".", "..", "a\\b"])
def test_a_name_that_leads_out_of_the_folder_is_never_written(name: str) -> None:
    with pytest.raises(CheckpointError, match="not the name of a file"):
        FileRecord(name, 1)


def test_a_server_that_sends_more_than_it_listed_is_stopped(
    server: HubServer, hub: Hub, wanted: Wanted
) -> None:
    server.repos[REPO][SHARD] = LARGE + b"and more"
    with pytest.raises(DownloadError, match="sends more"):
        hub.fetch([wanted])


@pytest.mark.parametrize("content", ["", "[]", '{"version": 9}', '{"version": 1, "files": [{}]}'])
def test_a_broken_list_of_checksums_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / LIST_FILE).write_text(content)
    with pytest.raises(CheckpointError, match="not a list of checksums"):
        FileList.load(tmp_path)
