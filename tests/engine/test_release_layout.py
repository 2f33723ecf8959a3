"""A checkpoint in the form of the releases opens as one model and is saved back unchanged."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.checkpoint import load_weights, save_weights
from engine.config import ModelConfig
from engine.conversation import Conversation
from engine.engine import SpeechEngine
from engine.errors import CheckpointError
from engine.events import AudioChunk, ReplyEnded
from engine.generate import generate
from engine.model_folder import Part, parts_file
from engine.models.speech_lm import SpeechLM
from engine.modes import ForwardSchedule, InferenceMode
from engine.requests import ReplyRequest
from engine.sampling_params import SamplingParams
from engine.speech.decoder import SpeechDecoder
from engine.utterance import Utterance
from tests.fakes import FLOW, HIFT
from tests.release_layout import (
    SIZES,
    check,
    digests,
    save_back,
    write_release,
    write_tokenizer_files,
)

SPEECH = Utterance.checked(np.sin(np.arange(16000, dtype=np.float32) / 9), 16000)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("release"))


@pytest.fixture
def release(written: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return shutil.copytree(written.parent, tmp_path / "root") / written.name


@pytest.fixture(scope="module")
def engine(written: Path) -> SpeechEngine:
    return SpeechEngine.load(written, device="cpu")


def plain_lm(folder: Path) -> SpeechLM:
    """The language model read by hand, without ``loading``."""
    lm = SpeechLM(ModelConfig.from_json(folder / "config.json"))
    load_weights(lm, folder)
    return lm


@pytest.mark.parametrize("mode", list(InferenceMode))
def test_every_mode_answers_aloud(engine: SpeechEngine, mode: InferenceMode) -> None:
    assert engine.lm.config.depth == 10
    params = SamplingParams(temperature=1.0, max_new_tokens=60)
    events = list(engine.respond(ReplyRequest(1, Conversation(), SPEECH, mode, params)))
    end = events[-1]
    assert isinstance(end, ReplyEnded)
    assert end.stats.n_audio_tokens > 0
    sound = [event.samples for event in events if isinstance(event, AudioChunk)]
    assert end.stats.audio_seconds == len(np.concatenate(sound)) / 22050


@pytest.mark.parametrize("mode", list(InferenceMode))
def test_the_opened_model_makes_the_tokens_of_its_weights(
    engine: SpeechEngine, written: Path, mode: InferenceMode
) -> None:
    lm = plain_lm(written)
    schedule = ForwardSchedule(mode.pairs, lm.config.depth)
    prompt = list(range(20, 50))
    params = SamplingParams(max_new_tokens=30)
    one, other = (
        [step.token_id for step in generate(model, prompt, schedule, params)]
        for model in (engine.lm, lm)
    )
    assert one == other
    assert len(one) == 30


def test_the_releases_own_sampling_settings_are_taken_over(engine: SpeechEngine) -> None:
    params = engine.default_params
    assert (params.temperature, params.top_k, params.top_p) == (0.7, 20, 0.8)
    assert params.repetition_penalty == 1.05


def test_it_is_saved_back_byte_for_byte(written: Path, tmp_path: Path) -> None:
    save_back(written, tmp_path, torch.bfloat16, SIZES["small"].shard_bytes)
    assert len(digests(written)) > 3
    assert digests(tmp_path) == digests(written)


def test_the_released_decoder_sounds_as_the_same_weights_in_our_own_form(
    written: Path, tmp_path: Path
) -> None:
    folder = written.parent / "glm-4-voice-decoder"
    released = SpeechDecoder.load(folder)
    save_weights(released._flow, tmp_path / "flow.safetensors")
    save_weights(released._vocoder, tmp_path / "hift.safetensors")
    flow = {**FLOW.to_json(), "mel_scale": {"mean": 0.0, "std": 1.0}}
    flow["cfm"] = {**flow["cfm"], "n_timesteps": 10}
    (tmp_path / "config.json").write_text(json.dumps({"flow": flow, "hift": asdict(HIFT)}))
    codes = list(range(20))
    np.testing.assert_array_equal(
        released.decode(codes), SpeechDecoder.load(tmp_path).decode(codes)
    )


def test_pickles_are_converted_once_and_code_is_never_run(release: Path) -> None:
    folder = release.parent / "glm-4-voice-decoder"
    SpeechEngine.load(release, device="cpu")
    made = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.safetensors")}
    assert made.keys() == {"flow.safetensors", "hift.safetensors"}
    SpeechEngine.load(release, device="cpu")
    assert {path.name: path.stat().st_mtime_ns for path in folder.glob("*.safetensors")} == made


def test_parts_in_other_folders_open_as_one_model(release: Path, tmp_path: Path) -> None:
    elsewhere = shutil.move(release.parent / "glm-4-voice-decoder", tmp_path / "decoder")
    home = tmp_path / "models" / "boost"
    home.mkdir(parents=True)
    parts = {
        Part.LANGUAGE_MODEL: release,
        Part.SPEECH_TOKENIZER: release.parent / "glm-4-voice-tokenizer",
        Part.SPEECH_DECODER: Path(elsewhere),
    }
    (home / "model.json").write_text(parts_file(parts, home))
    engine = SpeechEngine.load(home, device="cpu")
    assert len(engine.speech_decoder.decode([1, 2, 3])) > 0


def test_a_plus_tokenizer_with_a_discrete_checkpoint_is_refused(release: Path) -> None:
    """Both vocabularies have the same size, so that nothing else would tell them apart."""
    before = json.loads((release / "config.json").read_text())["vocab_size"]
    size = SIZES["small"]
    n_ids = write_tokenizer_files(release, size.n_text, size.n_audio, plus=True)
    assert -(-n_ids // 8) * 8 == before
    with pytest.raises(CheckpointError, match="tokenizer is that of a Plus model"):
        SpeechEngine.load(release, device="cpu")


def test_a_discrete_tokenizer_with_a_plus_checkpoint_is_refused(release: Path) -> None:
    index = release / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    extra = "model-99999-of-99999.safetensors"
    content["weight_map"]["model.audio_projection.mlp.0.weight"] = extra
    index.write_text(json.dumps(content))
    layer = torch.nn.Module()
    layer.register_parameter("weight", torch.nn.Parameter(torch.zeros(2)))
    holder = torch.nn.ModuleDict({"model": torch.nn.ModuleDict({"audio_projection": layer})})
    save_weights(holder, release / extra)
    with pytest.raises(CheckpointError, match="weights are those of a Plus model"):
        SpeechEngine.load(release, device="cpu")


def test_a_vocabulary_of_another_size_is_refused(release: Path) -> None:
    size = SIZES["small"]
    write_tokenizer_files(release, size.n_text, size.n_audio - 16)
    with pytest.raises(CheckpointError, match="ids, the model"):
        SpeechEngine.load(release, device="cpu")


def test_a_truncated_shard_is_named(release: Path) -> None:
    shard = sorted(release.glob("model-*.safetensors"))[1]
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=f"{shard.name}.*cut off"):
        SpeechEngine.load(release, device="cpu")


@pytest.mark.slow
def test_a_full_vocabulary_at_half_a_billion_parameters(tmp_path: Path) -> None:
    """The whole path at a size where the memory mapping, the shards and the tokenizer are real."""
    size = SIZES["0.5b"]
    check(write_release(tmp_path / "release", size), tmp_path / "copy", size)
