"""A lesson of nano's alignment stage: to know, while somebody speaks, what was said so far.

What a user says carries no labels, so an LM that starts from nothing learns to hear only through
the few text tokens of its answers. ``ListeningHead`` reads a middle layer of the backbone at the
audio tokens heard, and is scored by CTC (Graves et al., 2006) on their transcript. The layers above
then find text where there was sound. The head belongs to training; the model does not keep it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.models.speech_lm import SpeechLM
from engine.training.packing import IGNORED, Batch
from engine.vocab import Vocabulary


class ListeningHead(nn.Module):
    """States of a middle layer -> log-probabilities of text tokens or none, at each audio token.

    It keeps the states of the model's last forward; one training loop owns it and its model.
    """

    _SHARE_OF_LAYERS = 0.625  # below: what hears; above: what understands

    def __init__(self, model: SpeechLM, vocabulary: Vocabulary) -> None:
        super().__init__()
        config = model.config
        self._vocabulary = vocabulary
        self._blank = vocabulary.base_size
        self.norm = nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.head = nn.Linear(config.hidden_size, vocabulary.base_size + 1)
        self._states: list[Tensor] = []
        layer = model.model.layers[int(self._SHARE_OF_LAYERS * config.n_backbone_layers) - 1]
        layer.register_forward_hook(self._keep)

    def loss(self, batch: Batch) -> Tensor:
        """The summed CTC loss of a padded batch whose forward has just been run."""
        assert not batch.packed, "transcripts belong to rows"
        states = self._states.pop()  # (B, T, D)
        self._states.clear()
        first = self._vocabulary.audio_0
        is_audio = (batch.ids >= first) & (batch.ids < first + self._vocabulary.n_audio)
        heard = is_audio & (batch.labels == IGNORED)  # (B, T)
        rows = [row for row, said in enumerate(batch.said) if said]
        if not rows:
            return states.new_zeros(())
        frames = [states[row][heard[row]] for row in rows]
        padded = nn.utils.rnn.pad_sequence(frames)  # (F, R, D)
        scores = self.head(self.norm(padded)).float().log_softmax(-1)
        said = [torch.tensor(batch.said[row]) for row in rows]
        return F.ctc_loss(
            scores,
            torch.cat(said).to(scores.device),
            torch.tensor([len(of_row) for of_row in frames]),
            torch.tensor([len(of_row) for of_row in said]),
            blank=self._blank,
            reduction="sum",
            zero_infinity=True,  # a fast speaker has more text tokens than audio tokens
        )

    def _keep(self, _layer: nn.Module, _inputs: object, output: Tensor) -> None:
        self._states[:] = [output]
