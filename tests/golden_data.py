"""Finds the reference data for numerical parity: ``GOLDEN_DIR`` or ``tests/golden``."""

import os
from pathlib import Path

import pytest


def golden(name: str) -> Path:
    """The folder of one set of golden cases; the calling test is skipped where it is missing."""
    folder = Path(os.environ.get("GOLDEN_DIR", Path(__file__).parent / "golden")) / name
    if not folder.is_dir():
        pytest.skip(f"no golden data in {folder}")
    return folder
