"""Getting, checking and removing released models, against a server on this machine."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.cancel import CancelToken
from engine.catalogue import installed
from engine.checksums import LIST_FILE
from engine.download import Hub
from engine.engine import SpeechEngine
from engine.errors import CheckpointError, DownloadError
from engine.model_folder import ModelParts
from engine.model_store import ModelStore, State, in_gb
from engine.releases import RELEASES, Release, release_of
from tests.hub_server import HubServer
from tests.release_files import LICENCE, repositories, write
from tests.release_layout import write_release

pytestmark = pytest.mark.enable_socket

BOOST, BALANCE, PLUS_VANILLA, PLUS_BOOST = RELEASES


@pytest.fixture
def server() -> Iterator[HubServer]:
    with HubServer(repositories()) as running:
        yield running


@pytest.fixture
def hub(server: HubServer) -> Hub:
    return Hub(server.address, patience_s=(0, 0))


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")


def get(store: ModelStore, hub: Hub, release: Release) -> None:
    assert store.get(store.order(release, hub), hub)


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)
def test_a_model_is_fetched_and_known(
    store: ModelStore, hub: Hub, server: HubServer, tmp_path: Path, release: Release
) -> None:
    assert store.stock(release).state is State.ABSENT
    order = store.order(release, hub)
    assert order.n_bytes == order.n_bytes_left > 0
    assert store.get(order, hub)
    stock = store.stock(release)
    assert (stock.state, stock.n_bytes) == (State.COMPLETE, order.n_bytes)
    (entry,) = installed([tmp_path / "models"])
    assert (entry.name, entry.folder) == (release.name, tmp_path / "models" / release.name)
    assert (ModelParts.of(entry.folder).speech_encoder is not None) == release.is_plus
    fetched = {name for name, _ in server.asked}
    assert not fetched & {"modeling_qwen2.py", "pytorch_model.bin", "campplus.onnx"}


def test_the_licences_come_before_anything_large(
    store: ModelStore, hub: Hub, server: HubServer
) -> None:
    order = store.order(BOOST, hub)
    texts = {licence.name: text for licence, text in order.licence_texts}
    assert texts == {"VITA-Audio licence": LICENCE, "GLM-4-Voice Model License": ""}
    assert [name for name, _ in server.asked] == ["LICENSE"]


def test_parts_are_shared_and_fetched_once(store: ModelStore, hub: Hub, server: HubServer) -> None:
    get(store, hub, BOOST)
    order = store.order(BALANCE, hub)
    own = sum(record.n_bytes for record in order.parts[0].files.files)  # type: ignore[union-attr]
    assert order.n_bytes_left == own < order.n_bytes
    server.asked.clear()
    assert store.get(order, hub)
    assert "flow.pt" not in {name for name, _ in server.asked}


def test_an_interrupted_download_is_partial_until_it_is_complete(
    store: ModelStore, hub: Hub, server: HubServer
) -> None:
    decoder = server.repos[BOOST.parts[2].repo_id]
    whole = decoder["flow.pt"]
    order = store.order(BOOST, hub)
    decoder["flow.pt"] = whole[:1000]  # the connection never gets past this
    with pytest.raises(DownloadError, match="what was fetched is kept"):
        store.get(order, hub)
    assert store.stock(BOOST).state is State.PARTIAL
    decoder["flow.pt"] = whole
    again = store.order(BOOST, hub)
    assert again.n_bytes_left <= order.n_bytes_left - 1000
    assert store.get(again, hub)
    assert store.stock(BOOST).state is State.COMPLETE
    assert ("flow.pt", "bytes=1000-") in server.asked


def test_a_download_that_was_cancelled_at_once_leaves_a_model_unknown(
    store: ModelStore, hub: Hub, tmp_path: Path
) -> None:
    cancel = CancelToken()
    cancel.cancel()
    assert not store.get(store.order(BOOST, hub), hub, cancel=cancel)
    assert installed([tmp_path / "models"]) == ()
    assert not (tmp_path / "models" / BOOST.name).exists()


def test_a_full_disk_is_told_before_anything_is_fetched(
    hub: Hub, server: HubServer, tmp_path: Path
) -> None:
    store = ModelStore(tmp_path / "models", free_bytes=lambda path: 100_000_000)
    order = store.order(BOOST, hub)
    server.asked.clear()
    with pytest.raises(DownloadError, match=r"needs 0\.5 GB more .* 0\.1 GB are free"):
        store.get(order, hub)
    assert server.asked == []
    assert store.stock(BOOST).state is State.ABSENT


def test_the_free_room_is_that_of_the_disk_the_folder_will_be_on(tmp_path: Path, hub: Hub) -> None:
    store = ModelStore(tmp_path / "not" / "there" / "yet")
    assert store.get(store.order(BOOST, hub), hub)


def test_a_repository_that_lacks_files_is_told(
    store: ModelStore, hub: Hub, server: HubServer
) -> None:
    del server.repos[BOOST.parts[2].repo_id]["hift.pt"]
    with pytest.raises(DownloadError, match=r"glm-4-voice-decoder lacks hift"):
        store.order(BOOST, hub)


def test_an_index_that_names_a_shard_that_is_not_published_is_told(
    store: ModelStore, hub: Hub, server: HubServer
) -> None:
    del server.repos[BOOST.parts[0].repo_id]["model-00002-of-00002.safetensors"]
    with pytest.raises(DownloadError, match="lacks model-00002-of-00002"):
        get(store, hub, BOOST)
    assert store.stock(BOOST).state is State.PARTIAL


# A folder that the user has.


@pytest.fixture
def owned(tmp_path: Path) -> Path:
    """All parts of Boost side by side."""
    files = repositories()
    for part in BOOST.parts:
        write(tmp_path / "owned" / part.folder_name, files[part.repo_id])
    return tmp_path / "owned"


@pytest.mark.parametrize("named", [".", "VITA-Audio-Boost"])
def test_a_folder_that_the_user_has_is_used_where_it_is_without_a_network(
    store: ModelStore, owned: Path, tmp_path: Path, named: str
) -> None:
    hub = Hub(is_offline=True)
    before = sorted(owned.rglob("*"))
    order = store.order(BOOST, hub, owned / named)
    assert order.n_bytes_left == 0
    assert dict(order.licence_texts)[BOOST.parts[0].licence] == LICENCE
    assert store.get(order, hub)
    assert sorted(owned.rglob("*")) == before
    (entry,) = installed([tmp_path / "models"])
    assert ModelParts.of(entry.folder).language_model == owned / "VITA-Audio-Boost"
    assert not (tmp_path / "models" / "parts").exists()


def test_a_cache_of_the_library_is_used_where_it_is(
    store: ModelStore, owned: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    for part in BOOST.parts:
        snapshots = cache / f"models--{part.repo_id.replace('/', '--')}" / "snapshots"
        snapshots.mkdir(parents=True)
        shutil.move(owned / part.folder_name, snapshots / "0123")
    assert store.get(store.order(BOOST, Hub(is_offline=True), cache), Hub(is_offline=True))


def test_what_the_folder_lacks_is_fetched_beside_the_other_models(
    store: ModelStore, hub: Hub, server: HubServer, owned: Path, tmp_path: Path
) -> None:
    (owned / "glm-4-voice-decoder" / "flow.pt").unlink()
    assert store.get(store.order(BOOST, hub, owned), hub)
    assert {name for name, _ in server.asked} == {"config.yaml", "flow.pt", "hift.pt"}
    parts = ModelParts.of(tmp_path / "models" / BOOST.name)
    assert parts.language_model.parent == owned
    assert parts.speech_decoder == tmp_path / "models" / "parts" / "glm-4-voice-decoder"


def test_a_model_of_another_size_is_not_taken_for_the_one_that_was_named(
    store: ModelStore, owned: Path
) -> None:
    config = PLUS_VANILLA.config.to_json()
    (owned / "VITA-Audio-Boost" / "config.json").write_text(config)
    with pytest.raises(DownloadError, match="while offline"):
        store.order(BOOST, Hub(is_offline=True), owned)


def test_a_folder_that_is_not_there_is_told(store: ModelStore, hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="no such folder"):
        store.order(BOOST, hub, tmp_path / "nowhere")


# Checking.


def test_what_was_fetched_is_as_published(store: ModelStore, hub: Hub) -> None:
    get(store, hub, BOOST)
    seen: list[tuple[int, int]] = []
    verdict = store.verify(BOOST, lambda done, total: seen.append((done, total)))
    assert verdict.faults == ()
    assert verdict.n_unproven == 0
    assert seen[-1][0] == seen[-1][1] > 0


@pytest.mark.parametrize(
    ("name", "damage", "told"),
    [
        ("model-00001-of-00002.safetensors", lambda content: content[:-9], "cut off"),
        ("model-00001-of-00002.safetensors", lambda content: content + b"x", "in place of"),
        (
            "model-00001-of-00002.safetensors",
            lambda content: content[:-1] + bytes([content[-1] ^ 4]),
            "differs from what was published",
        ),
        ("vocab.json", lambda content: b"[]", "differs from what was published"),
        ("merges.txt", None, "missing"),
    ],
)
def test_what_was_damaged_is_found_and_mended(
    store: ModelStore, hub: Hub, tmp_path: Path, name: str, damage, told: str
) -> None:
    get(store, hub, BOOST)
    path = tmp_path / "models" / "parts" / "VITA-Audio-Boost" / name
    content = path.read_bytes()
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage(content))
    (fault,) = store.verify(BOOST).faults
    assert fault.path == path
    assert told in str(fault)
    get(store, hub, BOOST)
    assert path.read_bytes() == content
    assert store.verify(BOOST).faults == ()


def test_a_users_own_folder_is_checked_as_far_as_it_can_be(store: ModelStore, owned: Path) -> None:
    store.get(store.order(BOOST, Hub(is_offline=True), owned), Hub(is_offline=True))
    verdict = store.verify(BOOST)
    assert verdict.faults == ()
    assert verdict.n_unproven == verdict.n_files == 3
    shard = owned / "VITA-Audio-Boost" / "model-00002-of-00002.safetensors"
    shard.write_bytes(shard.read_bytes()[:-4])
    (fault,) = store.verify(BOOST).faults
    assert "cut off" in fault.what


def test_checking_can_be_cancelled(store: ModelStore, hub: Hub) -> None:
    get(store, hub, BOOST)
    cancel = CancelToken()
    cancel.cancel()
    assert store.verify(BOOST, cancel=cancel).was_cancelled


def test_what_is_not_there_cannot_be_checked(store: ModelStore) -> None:
    with pytest.raises(CheckpointError, match="not on this machine"):
        store.verify(BOOST)


# Removing.


def test_removing_keeps_what_another_model_needs(
    store: ModelStore, hub: Hub, tmp_path: Path
) -> None:
    get(store, hub, BOOST)
    get(store, hub, BALANCE)
    assert store.remove(BOOST) > 0
    assert store.stock(BOOST).state is State.ABSENT
    assert store.verify(BALANCE).faults == ()
    store.remove(BALANCE)
    assert not list((tmp_path / "models" / "parts").iterdir())
    assert installed([tmp_path / "models"]) == ()


def test_removing_leaves_a_users_own_folder_alone(store: ModelStore, owned: Path) -> None:
    store.get(store.order(BOOST, Hub(is_offline=True), owned), Hub(is_offline=True))
    before = sorted(owned.rglob("*"))
    store.remove(BOOST)
    assert sorted(owned.rglob("*")) == before
    assert store.stock(BOOST).state is State.ABSENT


def test_pieces_of_a_model_can_be_removed(store: ModelStore, hub: Hub, tmp_path: Path) -> None:
    piece = tmp_path / "models" / "parts" / "VITA-Audio-Boost" / "config.json"
    piece.parent.mkdir(parents=True)
    piece.write_bytes(b"12345")
    assert store.stock(BOOST).state is State.PARTIAL
    assert store.remove(BOOST) == 5
    assert store.stock(BOOST).state is State.ABSENT


def test_a_fetched_model_opens_and_answers(tmp_path: Path) -> None:
    """The whole way: published in the released form, fetched, checked, opened, run."""
    lm = write_release(tmp_path / "release")
    repos = {
        part.repo_id: {
            path.name: path.read_bytes()
            for path in (lm.parent / part.folder_name).iterdir()
            if path.is_file()
        }
        for part in BOOST.parts
    }
    store = ModelStore(tmp_path / "models")
    with HubServer(repos) as server:
        get(store, Hub(server.address), BOOST)
    folder = tmp_path / "models" / BOOST.name
    assert LIST_FILE in {path.name for path in (folder.parent / "parts").rglob("*")}
    engine = SpeechEngine.load(folder, device="cpu")
    assert engine.lm.config.depth == 10
    assert len(engine.speech_decoder.decode([1, 2, 3])) > 0
    assert store.verify(BOOST).faults == ()


@pytest.mark.parametrize("name", ["vita-audio-boost", "VITA-Audio-Boost", "boost", "Boost"])
def test_a_release_is_found_by_its_names(name: str) -> None:
    assert release_of(name) is BOOST
    assert release_of("nano") is None


def test_sizes_are_written_as_disks_count_them() -> None:
    assert [in_gb(n) for n in (20_640_000_000, 60_000_000, 1_500_000)] == [
        "20.6 GB",
        "0.1 GB",
        "1.5 MB",
    ]
