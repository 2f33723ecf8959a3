"""The built-in model in Verified mode: 1,000 greedy replies, each of them Vanilla's."""

import random
from pathlib import Path

import pytest

from engine.chat_template import asr_turn, prompt_ids, tts_turn
from engine.conversation import Conversation, Role, Turn
from engine.engine import SpeechEngine
from engine.generate import generate
from engine.modes import InferenceMode
from engine.sampling_params import SamplingParams
from engine.training.nano.corpus import exchanges
from engine.training.nano.voices import LANGUAGES, Split

NANO = Path(__file__).resolve().parents[2] / "assets" / "models" / "nano"
N_PROMPTS = 1000
LONGEST = 160

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (NANO / "model.safetensors").is_file(), reason="the built-in model is not here"
    ),
]


def turns(n_audio: int) -> list[Turn]:
    """Questions to answer, sentences to read aloud, and sounds to write down, in equal shares."""
    draw = random.Random(42)
    asked = [exchange.question for lang in LANGUAGES for exchange in exchanges(lang, Split.TEST)]
    found = []
    for text in draw.sample(asked, N_PROMPTS):
        match len(found) % 3:
            case 0:
                found.append(Turn(Role.USER, text))
            case 1:
                found.append(tts_turn(text))
            case _:
                codes = draw.choices(range(n_audio), k=draw.randrange(5, 60))
                found.append(asr_turn(codes))
    return found


def test_a_thousand_greedy_replies_are_vanillas(capsys: pytest.CaptureFixture[str]) -> None:
    engine = SpeechEngine.load(NANO, device="cpu", threads=1)
    lm, tokenizer = engine.lm, engine.text_tokenizer
    eos_ids = tokenizer.vocabulary.eos_ids
    n_tokens = n_drafts = n_accepted = 0
    for number, turn in enumerate(turns(tokenizer.vocabulary.n_audio)):
        prompt = prompt_ids(Conversation((turn,)), tokenizer)
        penalty = 1.0 if number % 2 else engine.default_params.repetition_penalty
        params = SamplingParams(repetition_penalty=penalty, max_new_tokens=LONGEST)
        vanilla, verified = (
            list(generate(lm, prompt, mode.schedule(lm.config.depth), params, eos_ids=eos_ids))
            for mode in (InferenceMode.VANILLA, InferenceMode.VERIFIED)
        )
        expected = [step.token_id for step in vanilla]
        assert [step.token_id for step in verified] == expected, f"reply {number}"
        n_tokens += len(expected)
        n_drafts += sum(step.n_drafts for step in verified)
        n_accepted += sum(step.is_accepted for step in verified)
    assert 0 < n_accepted <= n_drafts
    with capsys.disabled():
        print(f"\n{n_tokens} tokens, {n_accepted} of {n_drafts} drafts accepted")
