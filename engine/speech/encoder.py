"""The Plus variant's way in: samples to embeddings for the prompt, and to the words that were said.

Features, SenseVoice's encoder and the projector, 16.7 embeddings a second and four in front. The
whole utterance is seen at once. A model's folder ``speech_encoder`` holds two files of the
SenseVoiceSmall release: ``am.mvn``, the statistics of the features, and
``chn_jpn_yue_eng_ko_spectok.bpe.model``, the vocabulary of the CTC head, which may be missing; and
``config.json`` where the sizes are others. The weights come with those of the language model.
"""

import json
from pathlib import Path

import numpy as np
import soxr
import torch
from torch import Tensor

from engine.conversation import SpeechEmbeddings
from engine.errors import CheckpointError, RequestError
from engine.models.projector import Projector
from engine.models.sensevoice import N_QUERIES, SenseVoice, SenseVoiceConfig
from engine.speech.ctc import CTCVocabulary, greedy_ids
from engine.speech.fbank import FRAME, SAMPLE_RATE, kaldi_fbank, read_cmvn, stacked

CONFIG = "config.json"
STATISTICS = "am.mvn"
CTC_VOCABULARY = "chn_jpn_yue_eng_ko_spectok.bpe.model"


class SpeechEncoder:
    """Turns speech into embeddings and, where it has a CTC head, into text.

    Holds no state between calls, so any thread may call it.
    """

    def __init__(
        self,
        network: SenseVoice,
        projector: Projector,
        cmvn: tuple[Tensor, Tensor],
        ctc_vocabulary: CTCVocabulary | None = None,
    ) -> None:
        self._network = network.eval()
        self._projector = projector.eval()
        self._like = network.embed.weight
        self._shift, self._scale = (statistic.to(self._like.device) for statistic in cmvn)
        self._ctc_vocabulary = ctc_vocabulary

    @classmethod
    def load(cls, folder: Path, network: SenseVoice, projector: Projector) -> "SpeechEncoder":
        """The loaded networks with what a ``speech_encoder`` folder holds beside them."""
        cmvn = read_cmvn(folder / STATISTICS)
        path = folder / CTC_VOCABULARY
        if network.ctc is None or not path.is_file():
            return cls(network, projector, cmvn)
        vocabulary = CTCVocabulary.load(path)
        n_ids = network.ctc.ctc_lo.out_features
        if len(vocabulary) != n_ids:
            raise CheckpointError(
                f"{path} has {len(vocabulary)} pieces, the model's CTC head {n_ids}"
            )
        return cls(network, projector, cmvn, vocabulary)

    @property
    def can_transcribe(self) -> bool:
        """Whether the checkpoint has a CTC head and the words of its ids."""
        return self._ctc_vocabulary is not None

    def encode(self, samples: np.ndarray, sample_rate: int) -> SpeechEmbeddings:
        """The embeddings of samples (N,) or (N, channels), of which the mean is heard."""
        states = self._states(samples, sample_rate)
        with torch.inference_mode():
            rows = self._projector(states)
        return SpeechEmbeddings(rows.float().cpu().numpy())

    def transcribe(self, samples: np.ndarray, sample_rate: int) -> str:
        """What was said, by the CTC head; numbers are spelt out and nothing is punctuated."""
        assert self._network.ctc is not None and self._ctc_vocabulary is not None
        states = self._states(samples, sample_rate)
        with torch.inference_mode():
            # The first states tell language, event and emotion, and have no part in the words.
            logits = self._network.ctc(states[N_QUERIES:])
        return self._ctc_vocabulary.text(greedy_ids(logits))

    @torch.inference_mode()
    def _states(self, samples: np.ndarray, sample_rate: int) -> Tensor:
        """The encoder's states of samples, (F + 4, D)."""
        mono = np.asarray(samples, dtype=np.float32)
        if mono.ndim == 2:
            mono = mono.mean(axis=1)
        assert mono.ndim == 1, f"samples are (N,) or (N, channels), not {mono.shape}"
        if sample_rate != SAMPLE_RATE:
            mono = soxr.resample(mono, sample_rate, SAMPLE_RATE)
        if len(mono) < FRAME:
            raise RequestError("there is no sound to listen to: the recording is too short")
        wave = torch.from_numpy(np.ascontiguousarray(mono)).to(self._like.device)
        rows = (stacked(kaldi_fbank(wave)) + self._shift) * self._scale
        states: Tensor = self._network(rows.to(self._like.dtype)[None])[0]
        return states


def read_config(folder: Path) -> SenseVoiceConfig:
    """The sizes in the config.json of a ``speech_encoder`` folder; without one, the released ones.

    SenseVoiceSmall is published with another program's config, in which nothing else is ours.
    """
    path = folder / CONFIG
    if not path.is_file():
        return SenseVoiceConfig.small()
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot read the speech encoder's {path}: {error}") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path} does not hold a config")
    return SenseVoiceConfig.from_json(values)
