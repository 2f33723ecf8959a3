"""Errors speak in one line."""

import engine.errors
from engine.errors import CheckpointError, EngineError


def test_every_error_is_an_engine_error() -> None:
    family = [value for value in vars(engine.errors).values() if isinstance(value, type)]
    assert len(family) == 7
    assert all(issubclass(error, EngineError) for error in family)


def test_text_of_an_error_is_one_clear_line() -> None:
    assert str(CheckpointError("No such\n  file:\tmodel.")) == "No such file: model."
