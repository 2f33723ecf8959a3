"""Plus equals the reference: features, encoder, projector, insertion of speech, and its replies."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from engine.chat_template import PlacedSpeech
from engine.checkpoint import load_weights, without_weights
from engine.config import ModelConfig
from engine.conversation import SpeechEmbeddings
from engine.generate import DecodeState, generate
from engine.models.decoder import Decoder
from engine.models.kv_cache import KVCache
from engine.models.plus_lm import PlusSpeechLM
from engine.models.sensevoice import N_QUERIES, SenseVoiceConfig
from engine.modes import MAIN, ForwardSchedule
from engine.sampling_params import SamplingParams
from engine.speech.fbank import kaldi_fbank, stacked
from tests.engine.uncached import uncached_logits
from tests.golden_data import golden

TOLERANCE = 1e-4
# Both sides compute spectra in single precision. In the quietest band the reference is up to 4.7e-4
# and we are up to 9.5e-4 from the same in double precision; the mean difference is below 1e-5.
FBANK_TOLERANCE, FBANK_MEAN_TOLERANCE = 1.5e-3, 2e-5


@pytest.fixture(scope="module")
def folder() -> Path:
    return golden("sensevoice_tiny")


@pytest.fixture(scope="module")
def io(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "io.safetensors")


@pytest.fixture(scope="module")
def meta(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "meta.json").read_text())
    return loaded


@pytest.fixture(scope="module")
def model(folder: Path, meta: dict[str, Any]) -> PlusSpeechLM:
    config = ModelConfig.from_dict(meta["config"])
    with without_weights():
        model = PlusSpeechLM(config, SenseVoiceConfig.from_json(meta["encoder_conf"]))
    load_weights(model, folder)
    return model.eval()


@pytest.fixture(scope="module")
def decoder(model: PlusSpeechLM) -> Decoder:
    return Decoder(model)


@pytest.fixture(scope="module")
def ids(io: dict[str, Tensor]) -> list[int]:
    listed: list[int] = io["prompt_ids"][0].tolist()
    return listed


@pytest.fixture(scope="module")
def speech(io: dict[str, Tensor]) -> list[PlacedSpeech]:
    """The two recordings of the prompt, by the reference's embeddings and their places."""
    return [
        PlacedSpeech(
            int(io[f"audio_indices.{n}"][1, 0, 0]),
            SpeechEmbeddings(io[f"single{n}.projected"][0].numpy()),
        )
        for n in (0, 1)
    ]


@pytest.fixture(scope="module")
def embeddings(model: PlusSpeechLM, ids: list[int], speech: list[PlacedSpeech]) -> Tensor:
    """The embeddings of the prompt (1, T, D) with the speech in them."""
    embedded = model.embed(torch.tensor([ids])).detach()
    for placed in speech:
        rows = torch.from_numpy(placed.embeddings.rows)
        embedded[0, placed.start : placed.start + len(rows)] = rows
    return embedded


def schedules(meta: dict[str, Any], decoder: Decoder) -> dict[str, ForwardSchedule]:
    depth = decoder.config.depth
    return {name: ForwardSchedule(tuple(pairs), depth) for name, pairs in meta["modes"].items()}


def assert_close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=TOLERANCE)


def test_filterbank_and_its_normalised_stack_equal_the_reference(io: dict[str, Tensor]) -> None:
    waves = load_file(golden("whisper_vq_tiny") / "io.safetensors")
    shift, scale = io["cmvn"]
    names = [name.removesuffix(".fbank80") for name in io if name.endswith(".fbank80")]
    assert names
    for name in names:
        fbank = kaldi_fbank(waves[f"{name}.pcm16"].float() / 32768)
        expected = io[f"{name}.fbank80"]
        torch.testing.assert_close(fbank, expected, rtol=0, atol=FBANK_TOLERANCE)
        assert (fbank - expected).abs().mean() < FBANK_MEAN_TOLERANCE
        assert torch.equal(stacked(expected), io[f"{name}.lfr560"])
        normalised = (stacked(fbank) + shift) * scale
        expected = io[f"{name}.lfr560_cmvn"]
        tolerance = FBANK_TOLERANCE * float(scale.max())
        torch.testing.assert_close(normalised, expected, rtol=0, atol=tolerance)


def test_any_number_of_frames_is_stacked_as_the_reference_does(io: dict[str, Tensor]) -> None:
    names = [name for name in io if name.startswith("lfr_rule.T")]
    assert names
    for name in names:
        n_frames = int(name.removeprefix("lfr_rule.T"))
        frames = torch.arange(2 * n_frames).view(n_frames, 2) / 2
        assert torch.equal(stacked(frames), io[name]), name


@torch.inference_mode()
def test_states_and_embeddings_equal_the_reference_alone(
    model: PlusSpeechLM, io: dict[str, Tensor]
) -> None:
    for n in (0, 1):
        states = model.speech_encoder(io[f"audio{n}"][None])
        assert states.shape[1] == len(io[f"audio{n}"]) + N_QUERIES
        assert_close(states, io[f"single{n}.encoder_out"])
        assert_close(model.projector(states), io[f"single{n}.projected"])


@torch.inference_mode()
def test_states_and_embeddings_equal_the_reference_in_a_batch(
    model: PlusSpeechLM, io: dict[str, Tensor]
) -> None:
    recordings = [io["audio0"], io["audio1"]]
    rows = torch.nn.utils.rnn.pad_sequence(recordings, batch_first=True)
    states = model.speech_encoder(rows, torch.tensor([len(x) for x in recordings]))
    embedded = model.projector(states)
    for n, length in enumerate(io["batch.encoder_lens"].tolist()):
        assert_close(states[n, :length], io["batch.encoder_out"][n, :length])
        assert_close(embedded[n, :length], io["batch.projected"][n, :length])


def test_speech_takes_the_places_of_the_placeholders(
    embeddings: Tensor, ids: list[int], io: dict[str, Tensor], meta: dict[str, Any]
) -> None:
    assert_close(embeddings, io["inputs_embeds_after_insertion"])
    places = [n for n, token_id in enumerate(ids) if token_id == meta["ids"]["actx"]]
    assert places == meta["facts"]["expected_positions"]


def test_greedy_tokens_with_speech_are_those_of_the_reference_in_every_mode(
    decoder: Decoder,
    ids: list[int],
    speech: list[PlacedSpeech],
    io: dict[str, Tensor],
    meta: dict[str, Any],
) -> None:
    replies = {}
    for mode, schedule in schedules(meta, decoder).items():
        tokens = io[f"{mode}.tokens"].tolist()
        params = SamplingParams(max_new_tokens=len(tokens))
        steps = list(generate(decoder, ids, schedule, params, speech=speech))
        assert [step.token_id for step in steps] == tokens, mode
        replies[mode] = tokens
        deaf = list(generate(decoder, ids, schedule, params))
        assert [step.token_id for step in deaf] != tokens, "the speech does not matter here"
    assert len(set(map(tuple, replies.values()))) == len(replies) > 1


@torch.inference_mode()
def test_logits_with_speech_are_those_of_the_reference_cached_and_uncached(
    model: PlusSpeechLM,
    decoder: Decoder,
    ids: list[int],
    speech: list[PlacedSpeech],
    embeddings: Tensor,
    io: dict[str, Tensor],
    meta: dict[str, Any],
) -> None:
    for mode, schedule in schedules(meta, decoder).items():
        state = DecodeState(decoder, 8)
        state.keep_common_prefix(ids, speech)
        so_far = list(ids)
        expected = io[f"{mode}.logits"]
        for n, token in enumerate(io[f"{mode}.tokens"].tolist()):
            maker = schedule.maker(n)
            assert_close(state.next_logits(decoder, maker), expected[n])
            assert_close(uncached_logits(model, so_far, maker, embeddings), expected[n])
            state.append([token])
            so_far.append(token)


class ModulesHearSpeech(Decoder):
    """Does what must not be done: its MCTP modules join the states with the speech as well."""

    def __init__(self, model: PlusSpeechLM, embeddings: Tensor) -> None:
        super().__init__(model)
        self.model, self.embeddings = model, embeddings

    def mctp_step(self, k: int, ids: Tensor, hidden: Tensor, cache: KVCache) -> Tensor:
        """All rows anew, with the speech in the prompt."""
        assert k == MAIN + 1 and cache.length(k) == 0, "only the first catch-up is tried"
        joined = self.model.embed(ids[None])
        joined[:, : self.embeddings.shape[1] - k] = self.embeddings[:, k:]
        positions = torch.arange(k, k + len(ids))[None]
        return self.model.mctp_forward(k, joined, hidden[None], positions)[0]


@torch.inference_mode()
def test_modules_that_heard_the_speech_would_say_something_else(
    model: PlusSpeechLM,
    ids: list[int],
    speech: list[PlacedSpeech],
    embeddings: Tensor,
    io: dict[str, Tensor],
) -> None:
    state, decoder = DecodeState(Decoder(model)), ModulesHearSpeech(model, embeddings)
    state.keep_common_prefix(ids, speech)
    state.next_logits(decoder, MAIN)
    state.append(io["turbo2.tokens"][:1].tolist())
    logits = state.next_logits(decoder, MAIN + 1)
    assert (logits - io["turbo2.logits"][1]).abs().max() > 100 * TOLERANCE
