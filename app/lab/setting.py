"""What a lab's figures were measured on: the machine, the model and the versions."""

from __future__ import annotations

import importlib.metadata
import platform
import tomllib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from app.lab.result import Setting

if TYPE_CHECKING:
    from engine.engine import SpeechEngine

_PROGRAM = "parley"


def setting_of(engine: SpeechEngine, model: str, measured_at: datetime) -> Setting:
    """The setting of this engine on this machine."""
    import torch

    from engine.device import processor_name

    return Setting(
        model=model,
        machine=processor_name(engine.lm.device),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        device=str(engine.lm.device),
        dtype=str(engine.lm.dtype).removeprefix("torch."),
        threads=torch.get_num_threads(),
        versions=(
            (_PROGRAM, _own_version()),
            ("Python", platform.python_version()),
            ("torch", torch.__version__),
        ),
        measured_at=measured_at,
    )


def _own_version() -> str:
    """The version of the installed program, or of the source folder it runs from."""
    try:
        return importlib.metadata.version(_PROGRAM)
    except importlib.metadata.PackageNotFoundError:
        project = Path(__file__).resolve().parents[2] / "pyproject.toml"
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
