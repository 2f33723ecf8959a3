"""``models``: listing, checking, fetching, verifying and removing from the command line."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import paths, settings
from app.cli import main
from app.commands.transfer_line import TransferLine
from app.model_source import hub_for
from app.settings import DownloadSettings, PrivacySettings, Settings
from engine.errors import DownloadError
from engine.fit import GIB
from engine.machine import Machine
from engine.processors import Processor
from engine.releases import RELEASES
from tests.hub_server import HubServer
from tests.release_files import LICENCE, repositories, write

pytestmark = pytest.mark.enable_socket

ROOT = Path(__file__).resolve().parents[2]
BOOST = RELEASES[0]


@pytest.fixture
def server() -> Iterator[HubServer]:
    with HubServer(repositories()) as running:
        yield running


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user of their own, with plenty of room and no built-in model."""
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    monkeypatch.setattr("app.paths.built_in_models", lambda: tmp_path / "none")
    return tmp_path / "home"


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Lines that somebody at a terminal types."""
    lines: list[str] = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdin.readline", lambda: lines.pop(0), raising=False)
    yield lines


def run(*arguments: object) -> int:
    return main(["models", *map(str, arguments)])


def get(server: HubServer, *arguments: object) -> int:
    return run("get", "boost", "--mirror", server.address, *arguments)


def assert_refused(code: int, captured: tuple[str, str], *words: str) -> None:
    _, err = captured
    assert code == 2
    assert err.startswith("parley: ") and err.count("\n") == 1
    for word in words:
        assert word in err


@pytest.mark.parametrize("arguments", [(), ("list",)])
def test_what_can_be_fetched_is_listed(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("no models in")
    assert [line.split()[0] for line in lines[1:]] == [release.name for release in RELEASES]
    assert "about 22.6 GB: `models get vita-audio-boost` fetches it" in lines[1]


def test_a_model_is_fetched_listed_checked_and_removed(
    server: HubServer, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert get(server, "--accept-licence") == 0
    out, err = capsys.readouterr()
    assert LICENCE.strip() in out
    assert "Academic, research and education use only" in out
    assert "GLM-4-Voice Model License" in out
    assert "vita-audio-boost is complete" in out
    assert "fetched" in err
    assert (home / "data" / "models" / "vita-audio-boost" / "model.json").is_file()

    assert run("list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("vita-audio-boost ") and "MiB" in lines[0]
    assert len(lines) == len(RELEASES)

    assert run("verify", "boost") == 0
    assert "no fault in" in capsys.readouterr().out

    shard = home / "data/models/parts/VITA-Audio-Boost/model-00001-of-00002.safetensors"
    content = shard.read_bytes()
    shard.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert run("verify", "boost") == 1
    out = capsys.readouterr().out
    assert shard.name in out and "differs" in out and "models get boost" in out

    assert get(server, "--accept-licence") == 0
    assert shard.read_bytes() == content
    assert run("remove", "boost", "--yes") == 0
    assert "free again" in capsys.readouterr().out
    assert not shard.exists()


def test_without_a_terminal_the_licence_needs_its_option(
    server: HubServer, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = get(server)
    out, err = capsys.readouterr()
    assert LICENCE.strip() in out
    assert_refused(code, (out, err), "--accept-licence")
    assert not (home / "data").exists()


@pytest.mark.parametrize(("answer", "code"), [("yes\n", 0), ("no\n", 2), ("\n", 2)])
def test_the_licence_is_accepted_by_a_typed_yes(
    server: HubServer, typed: list[str], answer: str, code: int, home: Path
) -> None:
    typed.append(answer)
    assert get(server) == code
    assert (home / "data" / "models").exists() == (code == 0)


def test_removing_asks(server: HubServer, typed: list[str], home: Path) -> None:
    assert get(server, "--accept-licence") == 0
    typed += ["no\n", "yes\n"]
    assert run("remove", "boost") == 2
    assert (home / "data/models/vita-audio-boost/model.json").is_file()
    assert run("remove", "boost") == 0
    assert not (home / "data/models/vita-audio-boost").exists()


def test_what_is_not_there_cannot_be_removed(capsys: pytest.CaptureFixture[str]) -> None:
    assert_refused(run("remove", "boost"), capsys.readouterr(), "not on this machine")


@pytest.mark.parametrize("action", ["get", "check", "remove"])
def test_an_unknown_name_is_answered_with_the_known_ones(
    action: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert_refused(run(action, "gpt"), capsys.readouterr(), "gpt", "vita-audio-balance")


def test_any_model_that_is_here_can_be_checked(
    tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("verify", tiny_model) == 0
    assert "no published checksum" in capsys.readouterr().out


def test_a_folder_that_the_user_has_needs_no_network(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = repositories()
    for part in BOOST.parts:
        write(tmp_path / "owned" / part.folder_name, files[part.repo_id])
    arguments = ("--offline", "--accept-licence", "--folder", tmp_path / "owned")
    assert run("get", "boost", *arguments) == 0
    assert "as it is" in capsys.readouterr().out
    assert not (home / "data" / "models" / "parts").exists()
    assert run("verify", "boost") == 0


# No network.


def test_offline_is_one_clear_line(server: HubServer, capsys: pytest.CaptureFixture[str]) -> None:
    code = get(server, "--offline", "--accept-licence")
    assert_refused(code, capsys.readouterr(), "while offline")
    assert server.headers == []


def test_the_setting_forbids_the_network_too(
    server: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.save(paths.settings_file(), Settings(privacy=PrivacySettings(offline=True)))
    assert_refused(get(server, "--accept-licence"), capsys.readouterr(), "while offline")
    assert server.headers == []


def test_no_server_is_one_clear_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.download._PATIENCE_S", ())
    with HubServer({}) as gone:
        address = gone.address
    code = run("get", "boost", "--mirror", address, "--accept-licence")
    assert_refused(code, capsys.readouterr(), "cannot be reached", "check the network")


def test_a_network_that_is_shut_is_one_clear_line(server: HubServer) -> None:
    """A process of its own: the guard stays in one until it ends."""
    program = (
        "import sys\n"
        "from app.network import NetworkGuard\n"
        "guard = NetworkGuard()\n"
        "guard.shut()\n"
        "from app.cli import main\n"
        "sys.exit(main(['models', 'get', 'boost', '--mirror', 'http://192.0.2.1', "
        "'--accept-licence']))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 2
    assert ran.stderr.count("\n") == 1
    assert "offline" in ran.stderr


def test_a_full_disk_is_one_clear_line(
    server: HubServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.model_store._free_bytes", lambda path: 1000)
    assert_refused(get(server, "--accept-licence"), capsys.readouterr(), "nothing was fetched")


def test_an_interrupted_download_is_gone_on_with(
    server: HubServer, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release = threading.Event()

    def interrupt(name: str) -> None:
        if name == "flow.pt" and not release.is_set():
            release.set()
            os.kill(os.getpid(), signal.SIGINT)
            threading.Event().wait(1.0)

    server.before_block = interrupt
    assert get(server, "--accept-licence") == 130
    assert "the same command goes on" in capsys.readouterr().err
    server.before_block = lambda name: None
    assert get(server, "--accept-licence") == 0
    assert run("verify", "boost") == 0


# Mirrors.


def test_the_option_goes_before_the_environment_and_that_before_the_setting(
    server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirrored = Settings(downloads=DownloadSettings(server.address))
    assert hub_for(mirrored).files(BOOST.parts[0].repo_id).files
    # The library reads the variable when it is imported.
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("engine.download._PATIENCE_S", ())
    with pytest.raises(DownloadError, match="cannot be reached"):
        hub_for(mirrored).files(BOOST.parts[0].repo_id)
    assert hub_for(mirrored, server.address).files(BOOST.parts[0].repo_id).files


def test_the_environment_variable_alone_names_a_mirror(server: HubServer, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "main.py", "models", "get", "boost", "--accept-licence"],
        cwd=ROOT,
        env={**os.environ, "HF_ENDPOINT": server.address},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    assert "vita-audio-boost is complete" in ran.stdout
    assert {headers["host"] for headers in server.headers} == {
        server.address.removeprefix("http://")
    }


# Will it fit?


@pytest.fixture
def roomy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with plenty of disk and memory."""
    monkeypatch.setattr(
        "app.commands.models_check.shutil.disk_usage",
        lambda path: type("Usage", (), {"free": 10**12}),
    )
    monkeypatch.setattr("engine.machine.memory_of_this_machine", lambda: (64 * GIB, 60 * GIB))


def test_a_gpu_by_name_is_answered_without_looking_at_this_machine(
    roomy: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("check", "boost", "--device", "RTX 4090") == 0
    out = capsys.readouterr().out
    assert "RTX 4090: 24.0 GiB" in out and "1008 GB/s by the maker's figures" in out
    rows = {line[:20].strip(): line[20:].split() for line in out.splitlines() if line[:2] == "  "}
    assert rows["language model"][1] == "19.2"
    total = sum(
        float(rows[name][1])
        for name in ("language model", "speech parts", "KV cache", "activations", "runtime")
    )
    assert total == pytest.approx(float(rows["together"][1]), abs=0.3)
    assert "too large" in out and "fits" in out


@pytest.mark.parametrize(("dtype", "code"), [("fp32", 1), ("int4", 0)])
def test_the_exit_code_says_whether_it_fits(roomy: None, dtype: str, code: int) -> None:
    assert run("check", "boost", "--device", "RTX 4090", "--dtype", dtype) == code


@pytest.mark.parametrize(
    ("free", "told", "code"), [(60, "fits", 0), (2, "large", 1), (0, "not", 0)]
)
def test_the_memory_beside_a_gpu_counts_where_it_is_known(
    roomy: None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    free: int,
    told: str,
    code: int,
) -> None:
    monkeypatch.setattr("engine.machine.memory_of_this_machine", lambda: (64 * GIB, free * GIB))
    assert run("check", "boost", "--device", "H200") == code
    lines = capsys.readouterr().out.splitlines()
    (line,) = (line for line in lines if line.startswith("memory beside the GPU"))
    assert told in line.rpartition(":")[2]


def test_without_a_gpu_only_what_a_processor_runs_well_is_shown(
    roomy: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Machine(Processor("Some", 64 * GIB, 4e10), False, True, 60 * GIB, 64 * GIB, 60 * GIB)
    monkeypatch.setattr("app.commands.models_check.machine_with", lambda device: found)
    assert run("check", "boost") == 0
    out = capsys.readouterr().out
    (row,) = (line for line in out.splitlines() if line.startswith("memory, GiB"))
    assert row.split()[2:] == ["fp32", "bf16"]
    assert "beside the GPU" not in out


def test_a_disk_without_room_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "app.commands.models_check.shutil.disk_usage",
        lambda path: type("Usage", (), {"free": 10**9}),
    )
    assert run("check", "boost", "--device", "H200") == 1
    assert "not enough" in capsys.readouterr().out


def test_a_device_that_is_not_here_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code = run("check", "boost", "--device", "abacus")
    assert_refused(code, capsys.readouterr(), "abacus", "RTX 4090")


def test_checking_asks_no_server(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.download.Hub.__init__", None)
    assert run("check", "boost", "--device", "H200") in (0, 1)


# How far it is.


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_one_line_with_rate_and_rest() -> None:
    times = iter([0.0, 0.0, 10.0])
    terminal = Terminal()
    line = TransferLine(terminal, "fetched", lambda: next(times))
    line(0, 20_000_000_000)
    line(5_000_000_000, 20_000_000_000)
    assert "\n" not in terminal.getvalue()
    assert terminal.getvalue().endswith("fetched 5.0 GB of 20.0 GB, 0.5 GB/s, 30 s left")
    line.end()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_elsewhere_there_is_a_line_for_each_tenth() -> None:
    stream = io.StringIO()
    line = TransferLine(stream, "fetched", lambda: 0.0)
    for done in range(0, 1001, 10):
        line(done * 10**6, 10**9)
    line.end()
    assert len(stream.getvalue().splitlines()) == 10
    assert json.dumps(stream.getvalue().splitlines()[-1]) == '"fetched 1.0 GB of 1.0 GB"'
