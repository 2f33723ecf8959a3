"""Laws of the four stages: what is trained, what is frozen, where modules start from."""

from dataclasses import replace

import pytest
import torch

from engine.config import ModelConfig
from engine.models.speech_lm import SpeechLM, initialise
from engine.training.losses import speech_losses
from engine.training.packing import Sample, Task, pad
from engine.training.stages import STAGES, Stage, begin, module_parameters, trained_groups

ALIGNMENT, ONE_MODULE, ALL_MODULES, FINE_TUNING = STAGES


def _model() -> SpeechLM:
    return initialise(SpeechLM(ModelConfig.tiny()), torch.Generator().manual_seed(0))


def _trained(model: SpeechLM, stage: Stage) -> set[str]:
    """The parameters that get a gradient when a stage's loss is taken."""
    trained_groups(model, stage)
    model.zero_grad(set_to_none=True)
    ids = tuple(range(1, 21))
    losses = speech_losses(
        model, pad([Sample(ids, ids, Task.TEXT)], 0), stage.objective(model.config), None
    )
    losses.total.backward()
    return {name for name, parameter in model.named_parameters() if parameter.grad is not None}


def _module_names(model: SpeechLM, index: int) -> set[str]:
    wanted = {id(parameter) for parameter in module_parameters(model, index)}
    return {name for name, parameter in model.named_parameters() if id(parameter) in wanted}


def test_each_stage_trains_its_parts_and_nothing_else() -> None:
    model = _model()
    modules = [_module_names(model, k) for k in range(model.config.depth)]
    every_module = set().union(*modules)
    everything = {name for name, _ in model.named_parameters()}
    assert _trained(model, ALIGNMENT) == everything - every_module
    assert _trained(model, ONE_MODULE) == modules[0]
    assert _trained(model, ALL_MODULES) == every_module
    assert _trained(model, FINE_TUNING) == everything


def test_fine_tuning_trains_the_modules_at_ten_times_the_rate() -> None:
    scales = [group.lr_scale for group in trained_groups(_model(), FINE_TUNING)]
    assert scales == [1.0, 10.0]


def test_muon_gets_the_matrices_of_layers_and_nothing_else() -> None:
    model = _model()
    groups = trained_groups(model, replace(FINE_TUNING, muon_lr_scale=2.0))
    assert [group.lr_scale for group in groups] == [1.0, 2.0, 10.0, 20.0]
    assert [group.orthogonal for group in groups] == [False, True, False, True]
    matrices = {id(p) for group in groups if group.orthogonal for p in group.params}
    for name, parameter in model.named_parameters():
        in_layer = ".layers." in name or name.startswith("mtp_projs")
        assert (id(parameter) in matrices) == (in_layer and parameter.dim() == 2), name
    assert sum(len(group.params) for group in groups) == len(list(model.parameters()))


def test_the_first_module_starts_from_the_last_backbone_layer() -> None:
    model = _model()
    projection = model.mtp_projs[0].weight.clone()
    begin(model, ONE_MODULE)
    first = model.config.n_backbone_layers
    assert torch.equal(
        model.model.layers[first].mlp.up_proj.weight,
        model.model.layers[first - 1].mlp.up_proj.weight,
    )
    assert torch.equal(model.mtp_projs[0].weight, projection)


def test_every_module_starts_from_the_one_before_it() -> None:
    model = _model()
    begin(model, ALL_MODULES)
    first = module_parameters(model, 0)
    for k in range(1, model.config.depth):
        for own, source in zip(module_parameters(model, k), first, strict=True):
            assert torch.equal(own, source)


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_only_a_stage_that_trains_the_backbone_has_its_loss(stage: Stage) -> None:
    objective = stage.objective(ModelConfig.tiny())
    assert objective.with_stp is stage.trains_backbone
    assert objective.detach is not stage.trains_backbone
