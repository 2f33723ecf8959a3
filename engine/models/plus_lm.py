"""The Plus variant's language model: a ``SpeechLM`` with the speech encoder and projector inside.

The audio networks lie within the backbone's names, as in the released checkpoints. Nothing in the
language model's own forwards uses them; `engine.speech.encoder` runs them.
"""

from torch import nn

from engine.config import ModelConfig
from engine.models.projector import Projector
from engine.models.sensevoice import SenseVoice, SenseVoiceConfig
from engine.models.speech_lm import SpeechLM

AUDIO_PREFIXES = ("model.audio_model.", "model.audio_projection.")
"""How the names of weights begin that only a Plus checkpoint has."""

CTC_WEIGHT = "model.audio_model.model.ctc.ctc_lo.weight"
"""The name of the CTC head's matrix; a checkpoint may come without."""


class PlusSpeechLM(SpeechLM):
    """All weights of a Plus checkpoint; ``n_ctc_ids`` is 0 where it has no CTC head."""

    def __init__(self, config: ModelConfig, encoder: SenseVoiceConfig, n_ctc_ids: int = 0) -> None:
        super().__init__(config)
        self.model.audio_model = _AudioModel(encoder, n_ctc_ids)
        self.model.audio_projection = Projector(encoder.output_size, config.hidden_size)

    @property
    def speech_encoder(self) -> SenseVoice:
        """The network from rows of features to states."""
        audio_model = self.model.audio_model
        assert isinstance(audio_model, _AudioModel)
        return audio_model.model

    @property
    def projector(self) -> Projector:
        """The network from the encoder's states to embeddings."""
        network = self.model.audio_projection
        assert isinstance(network, Projector)
        return network


class _AudioModel(nn.Module):
    """One more level in the names of the weights."""

    def __init__(self, config: SenseVoiceConfig, n_ctc_ids: int) -> None:
        super().__init__()
        self.model = SenseVoice(config, n_ctc_ids)
