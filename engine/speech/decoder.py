"""Audio tokens -> samples: the flow decoder and the vocoder of one model, offline and streaming."""

import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from engine.checkpoint import load_weights, without_weights
from engine.errors import CheckpointError
from engine.pickled_weights import as_safetensors
from engine.speech.flow import FlowConfig, FlowDecoder, mel_frames
from engine.speech.flow_stream import FlowStream, StreamPlan, frame_noise
from engine.speech.released_decoder import CONFIG, flow_weights, hift_weights, released_config
from engine.speech.vocoder import HiFT, HiFTConfig, VocoderStream


class SpeechDecoder:
    """The speech decoder of a model; holds weights only, streams hold what changes."""

    def __init__(self, flow: FlowDecoder, vocoder: HiFT, plan: StreamPlan | None = None) -> None:
        self._flow = flow.eval()
        self._vocoder = vocoder.eval()
        self._plan = plan or StreamPlan()

    @classmethod
    def load(
        cls,
        folder: Path | str,
        device: torch.device | str = "cpu",
        spare: Path | None = None,
    ) -> "SpeechDecoder":
        """Reads a `speech_decoder` folder: config.json, flow.safetensors and hift.safetensors.

        In GLM-4-Voice's released form these are config.yaml, flow.pt and hift.pt. The pickles are
        converted once, into the folder `spare` where nothing can be written beside them.
        """
        folder = Path(folder)
        if not (folder / "config.json").is_file() and (folder / CONFIG).is_file():
            return cls._load_released(folder, device, spare or folder)
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{folder}: the config cannot be read: {error}") from error
        if unknown := sorted(set(config) - {"flow", "hift", "stream"}):
            raise CheckpointError(f"{folder}: unknown parts of the config: {', '.join(unknown)}")
        if missing := sorted({"flow", "hift"} - set(config)):
            raise CheckpointError(f"{folder}: the config lacks {', '.join(missing)}")
        with without_weights():
            flow = FlowDecoder(FlowConfig.from_json(config["flow"]))
            vocoder = HiFT(HiFTConfig.from_json(config["hift"]))
        load_weights(flow, folder / "flow.safetensors", device=device)
        load_weights(vocoder, folder / "hift.safetensors", device=device)
        vocoder.fold()
        return cls(flow, vocoder, _plan(config.get("stream", {})))

    @classmethod
    def _load_released(
        cls, folder: Path, device: torch.device | str, spare: Path
    ) -> "SpeechDecoder":
        flow_config, hift_config = released_config(folder)
        with without_weights():
            flow, vocoder = FlowDecoder(flow_config), HiFT(hift_config)
        names = frozenset(vocoder.state_dict())
        flow_file = as_safetensors(folder / "flow.pt", spare, flow_weights)
        hift_file = as_safetensors(
            folder / "hift.pt", spare, lambda weights: hift_weights(weights, names)
        )
        load_weights(flow, flow_file, device=device)
        load_weights(vocoder, hift_file, device=device)
        vocoder.fold()
        return cls(flow, vocoder)

    @property
    def sample_rate(self) -> int:
        """Samples per second of what comes out."""
        return self._vocoder.config.sampling_rate

    @property
    def vocoder(self) -> HiFT:
        """The network from mel to samples, for measuring it on its own."""
        return self._vocoder

    @property
    def token_rate(self) -> float:
        """Audio tokens per second of speech."""
        return self._flow.config.input_frame_rate

    @property
    def n_codes(self) -> int:
        """How many different audio tokens there are."""
        return self._flow.config.vocab_size

    def stream(self) -> "DecoderStream":
        """A new reply."""
        return DecoderStream(self._flow, self._vocoder, self._plan)

    @torch.inference_mode()
    def decode(self, codes: Sequence[int]) -> NDArray[np.float32]:
        """All samples of a finished reply in one go: the best quality, and no use for streaming."""
        if not codes:
            return np.zeros(0, dtype=np.float32)
        device = self._flow.encoder_proj.weight.device
        n_frames = mel_frames(len(codes), self.token_rate)
        noise = frame_noise(self._plan.seed, 0, n_frames, self._flow.config.output_size)
        mel = self._flow.generate(torch.tensor([codes], device=device), noise[None].to(device))
        samples = self._vocoder(mel, torch.Generator().manual_seed(self._plan.seed))
        return samples[0].float().cpu().numpy()


class DecoderStream:
    """Speaks one reply while it is being generated; samples given out never change.

    `push` gives what became final, about 0.2 s behind the tokens, and `finish` the rest; 256
    samples have then come for every frame of `mel_frames`. What comes out depends on the audio
    tokens alone, not on how they were pushed. One thread owns it.
    """

    def __init__(self, flow: FlowDecoder, vocoder: HiFT, plan: StreamPlan) -> None:
        self._flow_stream = FlowStream(flow, plan)
        self._vocoder_stream = VocoderStream(vocoder, torch.Generator().manual_seed(plan.seed))

    @property
    def n_computed_frames(self) -> int:
        """Mel frames computed so far, those computed again as context included."""
        return self._flow_stream.n_computed_frames

    def push(self, codes: Sequence[int]) -> NDArray[np.float32]:
        """Takes the next audio tokens and gives the samples that became final, maybe none."""
        return self._vocoder_stream.push(self._flow_stream.push(codes))

    def finish(self) -> NDArray[np.float32]:
        """Gives all remaining samples of the reply."""
        last = self._vocoder_stream.push(self._flow_stream.finish())
        return np.concatenate([last, self._vocoder_stream.finish()])


def _plan(values: dict[str, int]) -> StreamPlan:
    unknown = sorted(set(values) - {field.name for field in fields(StreamPlan)})
    if unknown:
        raise CheckpointError(f"unknown settings of the decoder's stream: {', '.join(unknown)}")
    return StreamPlan(**values)
