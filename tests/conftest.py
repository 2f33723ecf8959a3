"""What every test shares: complete tiny models on disk."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete model folder with random weights; tests copy it before they change it."""
    from tests.fakes import write_model

    return write_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def tiny_plus_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for the Plus variant."""
    from tests.fakes import write_plus_model

    return write_plus_model(tmp_path_factory.mktemp("models") / "tiny-plus")
