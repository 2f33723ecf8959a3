"""Where the program's files live; every path that is not an argument comes from here."""

from pathlib import Path


def assets() -> Path:
    """What ships with the program: the built-in model, sample questions, icons."""
    return Path(__file__).resolve().parent.parent / "assets"


def sample_question() -> Path:
    """The bundled spoken question that `run` and `selftest` ask."""
    return assets() / "samples" / "question_en.wav"


def built_in_models() -> Path:
    """The folder of the models that ship with the program."""
    return assets() / "models"


def user_models() -> Path:
    """The folder where this user keeps further models."""
    import platformdirs

    return Path(platformdirs.user_data_dir("parley", appauthor=False)) / "models"
