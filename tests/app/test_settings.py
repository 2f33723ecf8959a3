"""Settings: what is saved is loaded, and no file, however broken, stops the program or is lost."""

import dataclasses
import json
import resource
from datetime import date
from pathlib import Path

import pytest

from app.audio.devices import DeviceId
from app.errors import OutputError
from app.set_aside import StoreNoticeKind
from app.settings import (
    VERSION,
    AudioSettings,
    DownloadSettings,
    KeySettings,
    Language,
    LookSettings,
    ModelSettings,
    PrivacySettings,
    Settings,
    SettingsError,
    TalkMode,
    Theme,
    TurnSettings,
    load,
    save,
)
from engine.modes import InferenceMode
from engine.sampling_params import SamplingParams

CHANGED = Settings(
    AudioSettings(DeviceId("Mikrofon \u00e4", "ALSA"), None, False, False, True, 0.25),
    TurnSettings(TalkMode.HANDS_FREE, 0.0, 1.0),
    ModelSettings("/models/\u6a21\u578b", InferenceMode.TURBO, 0.7, 40, 0.9, 2**63 - 1, True),
    LookSettings(Theme.DARK, Language.ZH, True),
    PrivacySettings(True, 30, True, True),
    KeySettings("F9", "F10", "Ctrl+Alt+Space"),
    DownloadSettings("https://mirror.example/\u6a21\u578b"),
)


def a_day() -> date:
    return date(2031, 5, 7)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "settings.json"


def write(path: Path, settings: object, version: object = VERSION) -> None:
    path.write_text(json.dumps({"version": version, "settings": settings}))


@pytest.mark.parametrize("settings", [Settings(), CHANGED], ids=["defaults", "changed"])
def test_what_is_saved_is_loaded(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "new" / "folder" / "settings.json"
    save(path, settings)
    assert load(path) == (settings, None)


def test_every_setting_of_the_changed_example_differs_from_its_default() -> None:
    for group in dataclasses.fields(Settings):
        changed, default = getattr(CHANGED, group.name), getattr(Settings(), group.name)
        same = {
            item.name
            for item in dataclasses.fields(changed)
            if getattr(changed, item.name) == getattr(default, item.name)
        }
        assert same <= {"output"}


def test_without_a_file_the_defaults_are_used_and_none_is_written(path: Path) -> None:
    assert load(path) == (Settings(), None)
    assert not path.exists()


def test_by_default_nothing_is_kept() -> None:
    assert not Settings().privacy.keep_history


def test_a_missing_group_or_value_keeps_its_default(path: Path) -> None:
    write(path, {"look": {"theme": "dark"}})
    settings, notice = load(path)
    assert settings == Settings(look=LookSettings(theme=Theme.DARK))
    assert notice is None


BROKEN = {
    "empty": b"",
    "no json": b"theme = dark",
    "cut off": b'{"version": 1, "settings": {"look": {"theme": "da',
    "not utf-8": b'{"version": 1, "settings": {"keys": {"talk": "\xff"}}}',
    "zeros": bytes(500),
    "too deep": b"[" * 100_000,
    "a list": b"[1]",
    "no version": b'{"settings": {}}',
    "no settings": b'{"version": 1}',
    "version as text": b'{"version": "1", "settings": {}}',
    "version zero": b'{"version": 0, "settings": {}}',
    "version true": b'{"version": true, "settings": {}}',
    "group as list": b'{"version": 1, "settings": {"look": []}}',
    "settings null": b'{"version": 1, "settings": null}',
    "unknown choice": b'{"version": 1, "settings": {"look": {"theme": "pink"}}}',
    "choice as list": b'{"version": 1, "settings": {"look": {"theme": ["dark"]}}}',
    "text for bool": b'{"version": 1, "settings": {"look": {"large_text": "no"}}}',
    "number for bool": b'{"version": 1, "settings": {"look": {"large_text": 1}}}',
    "bool for number": b'{"version": 1, "settings": {"audio": {"volume": true}}}',
    "null for number": b'{"version": 1, "settings": {"audio": {"volume": null}}}',
    "too loud": b'{"version": 1, "settings": {"audio": {"volume": 1.5}}}',
    "not a number": b'{"version": 1, "settings": {"audio": {"volume": NaN}}}',
    "infinite": b'{"version": 1, "settings": {"audio": {"volume": 1e999}}}',
    "huge": b'{"version": 1, "settings": {"audio": {"volume": 1' + b"0" * 400 + b"}}}",
    "endless": b'{"version": 1, "settings": {"audio": {"volume": 1' + b"0" * 9000 + b"}}}",
    "half device": b'{"version": 1, "settings": {"audio": {"input": {"name": "x"}}}}',
    "no model": b'{"version": 1, "settings": {"model": {"model": ""}}}',
    "retention": b'{"version": 1, "settings": {"privacy": {"retention_days": 0}}}',
    "mirror": b'{"version": 1, "settings": {"downloads": {"mirror": "mirror.example"}}}',
    "fraction": b'{"version": 1, "settings": {"privacy": {"retention_days": 1.5}}}',
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_set_aside_and_the_defaults_are_used(path: Path, name: str) -> None:
    path.write_bytes(BROKEN[name])
    settings, notice = load(path, a_day)
    assert settings == Settings()
    assert notice is not None
    assert notice.kind is StoreNoticeKind.SETTINGS_BROKEN
    assert notice.kept_as == path.with_name("settings.broken-2031-05-07.json")
    assert notice.kept_as.read_bytes() == BROKEN[name]
    assert str(notice.kept_as) in notice.message
    assert "\n" not in notice.message and len(notice.message) < 400
    assert not path.exists()


def test_files_set_aside_on_one_day_are_all_kept(path: Path) -> None:
    for content in (b"first", b"second", b"third"):
        path.write_bytes(content)
        load(path, a_day)
    kept = sorted(path.parent.iterdir(), key=lambda file: (len(file.name), file.name))
    assert [file.read_bytes() for file in kept] == [b"first", b"second", b"third"]


def test_a_newer_file_is_set_aside_whole(path: Path) -> None:
    write(path, {"look": {"theme": "pink"}}, VERSION + 1)
    content = path.read_bytes()
    settings, notice = load(path)
    assert settings == Settings()
    assert notice is not None
    assert notice.kind is StoreNoticeKind.SETTINGS_NEWER
    assert notice.kept_as == path.with_name("settings.newer.json")
    assert notice.kept_as.read_bytes() == content


def test_an_unknown_key_is_reported_and_the_rest_is_used(path: Path) -> None:
    write(path, {"look": {"theme": "dark", "font": "Arial"}, "taste": {}})
    settings, notice = load(path)
    assert settings.look.theme is Theme.DARK
    assert notice is not None
    assert notice.kind is StoreNoticeKind.SETTINGS_UNKNOWN_KEYS
    assert set(notice.detail.split(", ")) == {"look.font", "taste"}
    assert notice.kept_as is None and path.exists()


def test_a_folder_in_the_place_of_the_file_is_set_aside(path: Path) -> None:
    path.mkdir()
    settings, notice = load(path)
    assert settings == Settings()
    assert notice is not None and notice.kept_as is not None and notice.kept_as.is_dir()
    save(path, CHANGED)
    assert load(path) == (CHANGED, None)


def test_a_full_disk_keeps_the_old_settings(path: Path) -> None:
    save(path, Settings())
    old = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"settings\.json: cannot be written"):
            save(path, CHANGED)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == old
    assert [file.name for file in path.parent.iterdir()] == ["settings.json"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be made"):
        save(tmp_path / "file" / "settings.json", Settings())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("temperature", -0.1), ("temperature", float("nan"))),
        *(("top_k", -1), ("top_p", 0.0), ("top_p", 1.1)),
        *(("seed", -1), ("seed", 2**63), ("model", "")),
    ],
)
def test_a_value_out_of_range_is_named(name: str, value: object) -> None:
    with pytest.raises(SettingsError, match=f"^{name} must be"):
        dataclasses.replace(ModelSettings(), **{name: value})


def test_sampling_keeps_the_models_own_values_where_none_are_set() -> None:
    own = SamplingParams(temperature=0.8, top_k=20, top_p=0.95, repetition_penalty=1.1, seed=3)
    assert ModelSettings().sampling(own, 7) == dataclasses.replace(own, seed=7)
    assert ModelSettings(seed=5).sampling(own, 7).seed == 5
    assert ModelSettings(temperature=0.5, greedy=True).sampling(own, 7).is_greedy
    chosen = ModelSettings(temperature=0.5, top_k=3, top_p=0.4).sampling(own, 7)
    assert (chosen.temperature, chosen.top_k, chosen.top_p) == (0.5, 3, 0.4)
