"""Where the program's files live; every path that is not an argument comes from here.

What belongs to the user lies where the operating system wants it, or, when ``PARLEY_HOME`` is set,
all below that one folder: for tests, and for a copy of the program on a stick. Nothing is created
here; who writes a file makes its folder.
"""

import os
import sys
from pathlib import Path

HOME_VARIABLE = "PARLEY_HOME"
"""The environment variable that moves settings, data, cache, logs and the runtime folder."""

_NAME = "parley"


def assets() -> Path:
    """What ships with the program: the built-in model, sample questions, icons."""
    return Path(__file__).resolve().parent.parent / "assets"


def licence() -> Path:
    """The licence of the program."""
    return assets().parent / "LICENSE"


def build_information() -> Path:
    """What the packaging says of this build; not there when the program runs from source."""
    return assets() / "build.json"


def collected_licences() -> Path:
    """The licences of all that ships, as the packaging collected them; not there from source."""
    return assets() / "licences.txt"


def sample_question() -> Path:
    """The bundled spoken question that `run` and `selftest` ask."""
    return assets() / "samples" / "question_en.wav"


def built_in_models() -> Path:
    """The folder of the models that ship with the program."""
    return assets() / "models"


def user_models() -> Path:
    """The folder where this user keeps further models."""
    return data() / "models"


def models() -> tuple[Path, ...]:
    """The folders in which models are looked for, in this order."""
    return built_in_models(), user_models()


def settings_file() -> Path:
    """The user's settings."""
    return config() / "settings.json"


def history_file() -> Path:
    """The conversations that the user keeps; there is none unless history is on."""
    return data() / "history.db"


def config() -> Path:
    """The folder of the settings."""
    import platformdirs

    return _home("config") or platformdirs.user_config_path(_NAME, appauthor=False)


def data() -> Path:
    """The folder of what the user keeps: conversations and models."""
    import platformdirs

    return _home("data") or platformdirs.user_data_path(_NAME, appauthor=False)


def cache() -> Path:
    """The folder of what can be made again."""
    import platformdirs

    return _home("cache") or platformdirs.user_cache_path(_NAME, appauthor=False)


def logs() -> Path:
    """The folder of the log files."""
    import platformdirs

    return _home("logs") or platformdirs.user_log_path(_NAME, appauthor=False)


def runtime() -> Path:
    """The folder of what lives only while the program runs: its lock and its socket."""
    import platformdirs

    if home := _home("run"):
        return home
    # Without a login session Linux offers no such folder, and one below /tmp could be another's.
    if sys.platform == "linux" and not os.environ.get("XDG_RUNTIME_DIR"):
        return cache() / "run"
    return platformdirs.user_runtime_path(_NAME, appauthor=False)


def _home(folder: str) -> Path | None:
    home = os.environ.get(HOME_VARIABLE)
    return Path(home).absolute() / folder if home else None
