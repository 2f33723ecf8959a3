"""Laws of the listening head: only what is heard is scored, and hearing can be learnt by it."""

import torch

from engine.config import ModelConfig
from engine.models.speech_lm import SpeechLM, initialise
from engine.training.listening import ListeningHead
from engine.training.packing import IGNORED, Batch, Sample, Task, pad
from engine.vocab import Vocabulary

VOCABULARY = Vocabulary(base_size=48, n_audio=24)
CONFIG = ModelConfig.tiny()


def _heard(codes: list[int], said: tuple[int, ...], spoken: list[int]) -> Sample:
    """A sample that hears ``codes`` and answers with the sound ``spoken``."""
    question = [VOCABULARY.audio_id(code) for code in codes]
    answer = [VOCABULARY.audio_id(code) for code in spoken]
    return Sample(
        (1, *question, 2, *answer), (*[IGNORED] * (len(codes) + 2), *answer), Task.ASR, said
    )


def _typed() -> Sample:
    return Sample((1, 2, 3, 4), (IGNORED, IGNORED, 3, 4), Task.TEXT)


def _listening() -> tuple[SpeechLM, ListeningHead]:
    assert VOCABULARY.size <= CONFIG.vocab_size
    torch.manual_seed(0)
    model = initialise(SpeechLM(CONFIG), torch.Generator().manual_seed(0))
    return model, ListeningHead(model, VOCABULARY)


def _loss(model: SpeechLM, head: ListeningHead, batch: Batch) -> torch.Tensor:
    model.backbone(batch.ids)
    return head.loss(batch)


def test_only_heard_audio_tokens_are_read() -> None:
    model, head = _listening()
    one, other = (
        pad([_heard([3, 4, 5, 6, 7], (8, 9), spoken), _typed()], 0)
        for spoken in ([1, 1, 1], [20, 2, 9, 11, 4])
    )
    with torch.no_grad():
        torch.testing.assert_close(_loss(model, head, one), _loss(model, head, other))


def test_a_batch_in_which_nothing_is_heard_has_no_loss() -> None:
    model, head = _listening()
    assert _loss(model, head, pad([_typed(), _typed()], 0)).item() == 0.0


def test_a_transcript_longer_than_the_speech_is_left_out() -> None:
    model, head = _listening()
    assert _loss(model, head, pad([_heard([3, 4], (5, 6, 7, 8), [1])], 0)).item() == 0.0


def test_the_layers_below_learn_to_hear_and_those_above_are_not_touched() -> None:
    model, head = _listening()
    generator = torch.Generator().manual_seed(2)
    samples = []
    for _ in range(12):
        said = torch.randint(5, 25, (4,), generator=generator).tolist()
        codes = [token - 5 for token in said for _ in range(2)]
        samples.append(_heard(codes, tuple(said), [1, 2]))
    batch = pad(samples, 0)
    parameters = [*model.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=3e-3)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = _loss(model, head, batch)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
    last = model.model.layers[CONFIG.n_backbone_layers - 1]
    assert all(parameter.grad is None for parameter in last.parameters())
