"""What a lab's figures were measured on: the machine, the model and the versions."""

from __future__ import annotations

import platform
from datetime import datetime
from typing import TYPE_CHECKING

from app import build_info
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
            (_PROGRAM, build_info.load().version),
            ("Python", platform.python_version()),
            ("torch", torch.__version__),
        ),
        measured_at=measured_at,
    )
