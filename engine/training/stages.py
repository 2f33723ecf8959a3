"""The four training stages of VITA-Audio as data, and what follows from a stage for a model.

1 alignment trains the whole LM; 2 trains one MCTP module and 3 all of them on a frozen LM; 4, the
supervised fine-tuning, trains everything, the modules at ten times the learning rate.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

import torch
from torch import nn

from engine.config import ModelConfig
from engine.models.speech_lm import SpeechLM
from engine.training.losses import Objective
from engine.training.optim import ParameterGroup
from engine.training.packing import Task


class Start(Enum):
    """How a stage sets weights that the stage before did not train."""

    AS_IS = "as_is"
    FIRST_FROM_BACKBONE = "first_from_backbone"  # module 1's layer from the last backbone layer
    EACH_FROM_PREVIOUS = "each_from_previous"  # module k: layer, projection, norms of module k-1


@dataclass(frozen=True, slots=True)
class Stage:
    """One training stage; ``n_modules`` None means every module the model has."""

    number: int
    name: str
    trains_backbone: bool
    n_modules: int | None
    lr: float
    mixture: Mapping[Task, float]  # relative shares of the samples
    mctp_lr_scale: float = 1.0
    muon_lr_scale: float | None = None  # Muon trains the layers' matrices; None: AdamW alone
    text_weight: float = 1.0  # of a text token in the losses
    listening_weight: float = 0.0  # of the CTC loss on what is heard, see ``listening.py``
    weight_decay: float = 0.0
    start: Start = Start.AS_IS

    def objective(self, config: ModelConfig) -> Objective:
        """The losses of this stage; a frozen LM has no STP loss and gives detached inputs."""
        n_modules = config.depth if self.n_modules is None else self.n_modules
        return Objective(
            n_modules=n_modules,
            with_stp=self.trains_backbone,
            detach=not self.trains_backbone,
            text_weight=self.text_weight,
        )


_FOUNDATION = MappingProxyType({Task.ASR: 1.0, Task.TTS: 1.0, Task.TEXT: 1.0})
_FINE_TUNING = MappingProxyType(
    {
        Task.ASR: 0.05,
        Task.TTS: 0.05,
        Task.TEXT: 0.05,
        Task.SPOKEN_QA: 2.0,
    }
)

STAGES: tuple[Stage, ...] = (
    Stage(1, "alignment", True, 0, 6e-5, _FOUNDATION),
    Stage(2, "one_module", False, 1, 1e-3, _FOUNDATION, start=Start.FIRST_FROM_BACKBONE),
    Stage(3, "all_modules", False, None, 1e-3, _FOUNDATION, start=Start.EACH_FROM_PREVIOUS),
    Stage(4, "fine_tuning", True, None, 5e-5, _FINE_TUNING, mctp_lr_scale=10.0, weight_decay=0.1),
)
"""The stages with the learning rates and mixtures of the release (7B, from a trained LM)."""


def begin(model: SpeechLM, stage: Stage) -> None:
    """Sets the start values of a stage on a model that holds the weights of the stage before."""
    layers, first = model.model.layers, model.config.n_backbone_layers
    match stage.start:
        case Start.AS_IS:
            pass
        case Start.FIRST_FROM_BACKBONE:
            _copy(layers[first], layers[first - 1])
        case Start.EACH_FROM_PREVIOUS:
            for k in range(1, model.config.depth):
                _copy(layers[first + k], layers[first + k - 1])
                for parts in (model.mtp_projs, model.mtp_embed_norms, model.mtp_hidden_norms):
                    _copy(parts[k], parts[k - 1])


def trained_groups(model: SpeechLM, stage: Stage) -> list[ParameterGroup]:
    """The parameters a stage trains; all others are frozen on the model."""
    n_modules = stage.objective(model.config).n_modules
    modules = [parameter for k in range(n_modules) for parameter in module_parameters(model, k)]
    every_module = {
        id(parameter)
        for k in range(model.config.depth)
        for parameter in module_parameters(model, k)
    }
    backbone = [parameter for parameter in model.parameters() if id(parameter) not in every_module]
    groups = []
    if stage.trains_backbone:
        groups += _groups(backbone, 1.0, model, stage)
    if modules:
        groups += _groups(modules, stage.mctp_lr_scale, model, stage)
    model.requires_grad_(False)
    for group in groups:
        for parameter in group.params:
            parameter.requires_grad_(True)
    return groups


def module_parameters(model: SpeechLM, index: int) -> list[nn.Parameter]:
    """The weights that belong to one MCTP module (0-based) alone."""
    parts = (
        model.model.layers[model.config.n_backbone_layers + index],
        model.mtp_projs[index],
        model.mtp_embed_norms[index],
        model.mtp_hidden_norms[index],
    )
    return [parameter for part in parts for parameter in part.parameters()]


def _groups(
    parameters: list[nn.Parameter], lr_scale: float, model: SpeechLM, stage: Stage
) -> list[ParameterGroup]:
    """The parameters as one group for AdamW, or with the layers' matrices in one for Muon."""
    if stage.muon_lr_scale is None:
        return [ParameterGroup(parameters, lr_scale)]
    tables = {id(model.model.embed_tokens.weight), id(model.head_weight)}
    matrices, others = [], []
    for parameter in parameters:
        is_matrix = parameter.dim() == 2 and id(parameter) not in tables
        (matrices if is_matrix else others).append(parameter)
    return [
        ParameterGroup(others, lr_scale),
        ParameterGroup(matrices, lr_scale * stage.muon_lr_scale, orthogonal=True),
    ]


@torch.no_grad()
def _copy(target: nn.Module, source: nn.Module) -> None:
    target.load_state_dict(source.state_dict())
