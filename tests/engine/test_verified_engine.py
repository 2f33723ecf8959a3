"""A verified reply as the engine gives it out: what is final when, what drafts came to."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.cancel import CancelToken
from engine.config import ModelConfig
from engine.conversation import Conversation
from engine.engine import SpeechEngine
from engine.events import AudioChunk, EndReason, EngineEvent, ReplyEnded, TextDelta
from engine.models.decoder import Decoder
from engine.models.kv_cache import KVCache
from engine.models.speech_lm import SpeechLM, initialise
from engine.modes import InferenceMode
from engine.requests import ReplyRequest
from engine.sampling_params import SamplingParams
from engine.text_tokenizer import TextTokenizer
from tests.fakes import FakeSpeechDecoder, FakeSpeechTokenizer, write_text_tokenizer

DEPTH = 10


class KnowsTheReply(Decoder):
    """Its main LLM says a reply; its modules say the same, but for the tokens they have wrong."""

    def __init__(self, config: ModelConfig, reply: list[int], wrong: set[int], log: list[str]):
        super().__init__(initialise(SpeechLM(config), torch.Generator().manual_seed(0)))
        self.reply, self.wrong, self.log = reply, wrong, log
        self.n_prompt = 0
        self.next: list[int] = []  # for each state of the last forward, its token's place
        self.is_draft = False

    def main_step(
        self, ids: Tensor, cache: KVCache, inserted: Sequence[tuple[int, Tensor]] = ()
    ) -> Tensor:
        """A backbone forward, noted."""
        self.log.append(f"backbone {len(ids)}" if self.n_prompt else "prefill")
        self.n_prompt = self.n_prompt or len(ids)
        states = super().main_step(ids, cache, inserted)
        end = cache.length(0) - self.n_prompt + 1
        self.next, self.is_draft = list(range(end - len(ids), end)), False
        return states

    def mctp_step(self, k: int, ids: Tensor, hidden: Tensor, cache: KVCache) -> Tensor:
        """A forward of module k, noted."""
        self.log.append("module")
        states = super().mctp_step(k, ids, hidden, cache)
        self.next, self.is_draft = [cache.length(k) + k - self.n_prompt], True
        return states

    def logits(self, hidden: Tensor) -> Tensor:
        """All weight on the reply's token at each place."""
        scores = torch.zeros(len(hidden), self.config.vocab_size)
        for row, place in zip(scores, self.next[-len(hidden) :], strict=True):
            is_wrong = self.is_draft and place in self.wrong
            known = self.reply[place] if place < len(self.reply) else self.reply[-1]
            row[0 if is_wrong else known] = 100.0
        return scores


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> TextTokenizer:
    return write_text_tokenizer(tmp_path_factory.mktemp("tokenizer") / "tokenizer.json")


@pytest.fixture
def spoken(tokenizer: TextTokenizer) -> list[int]:
    """Twice a text token and a span of eight audio tokens, and the end."""
    vocab, hello = tokenizer.vocabulary, tokenizer.encode("Hi")
    spans = [
        [vocab.begin_of_audio, *map(vocab.audio_id, range(first, first + 8)), vocab.end_of_audio]
        for first in (0, 8)
    ]
    return [hello[0], *spans[0], hello[1], *spans[1], vocab.im_end]


def reply_to(
    tokenizer: TextTokenizer,
    reply: list[int],
    wrong: set[int],
    log: list[str],
    mode: InferenceMode = InferenceMode.VERIFIED,
    cancel: CancelToken | None = None,
) -> Iterator[EngineEvent]:
    config = replace(
        ModelConfig.tiny(),
        vocab_size=tokenizer.vocabulary.size,
        num_hidden_layers=2 + DEPTH,
        num_nextn_predict_layers=DEPTH,
    )
    ticks = itertools.count()
    engine = SpeechEngine(
        KnowsTheReply(config, reply, wrong, log),
        tokenizer,
        FakeSpeechTokenizer(),
        FakeSpeechDecoder(log),
        clock=lambda: next(ticks) / 1000,
    )
    params = SamplingParams(max_new_tokens=60)
    return engine.respond(ReplyRequest(1, Conversation(), "Hello?", mode, params), cancel)


def forwards_before_sound(log: list[str]) -> list[str]:
    return [entry for entry in log[: log.index("decode")] if entry != "module"]


def stats_of(events: list[EngineEvent]) -> ReplyEnded:
    assert isinstance(events[-1], ReplyEnded)
    return events[-1]


def test_the_first_sound_takes_one_forward_more_than_the_prefill_if_all_drafts_hold(
    tokenizer: TextTokenizer, spoken: list[int]
) -> None:
    log: list[str] = []
    list(reply_to(tokenizer, spoken, set(), log))
    assert forwards_before_sound(log) == ["prefill", "backbone 11"]


def test_each_wrong_draft_of_the_first_group_costs_the_first_sound_one_forward(
    tokenizer: TextTokenizer, spoken: list[int]
) -> None:
    log: list[str] = []
    list(reply_to(tokenizer, spoken, {3, 6}, log))
    assert forwards_before_sound(log) == ["prefill", *["backbone 11"] * 3]


def test_the_first_token_is_given_out_before_any_draft_is_made(
    tokenizer: TextTokenizer, spoken: list[int]
) -> None:
    log: list[str] = []
    events = reply_to(tokenizer, spoken, set(), log)
    assert next(events) == TextDelta(1, "H")
    assert log == ["prefill"]


def test_a_group_leaves_the_decoder_before_the_next_run_is_drafted(
    tokenizer: TextTokenizer, spoken: list[int]
) -> None:
    log: list[str] = []
    list(reply_to(tokenizer, spoken, set(), log))
    checked = log.index("backbone 11")
    assert log[checked + 1] == "decode"


@pytest.mark.parametrize("wrong", [set(), {1}, {4, 5}, {2, 9, 13, 20}, set(range(60))])
def test_the_reply_is_vanillas_whatever_the_modules_have_wrong(
    tokenizer: TextTokenizer, spoken: list[int], wrong: set[int]
) -> None:
    vanilla = stats_of(list(reply_to(tokenizer, spoken, wrong, [], InferenceMode.VANILLA))).stats
    ended = stats_of(list(reply_to(tokenizer, spoken, wrong, [])))
    stats = ended.stats
    assert ended.reason is EndReason.STOP
    assert (stats.text, stats.audio_codes) == (vanilla.text, vanilla.audio_codes)
    assert (stats.text, stats.audio_codes) == ("Hi", tuple(range(16)))
    assert stats.n_tokens == vanilla.n_tokens == len(spoken)
    assert (vanilla.n_drafts, vanilla.n_drafts_accepted) == (0, 0)


def test_the_drafts_made_and_accepted_are_in_the_figures(
    tokenizer: TextTokenizer, spoken: list[int]
) -> None:
    """23 tokens: one, ten drafts and one, ten drafts and one; the drafted end is the last."""
    all_held = stats_of(list(reply_to(tokenizer, spoken, set(), []))).stats
    assert (all_held.n_drafts, all_held.n_drafts_accepted) == (20, 20)
    none_held = stats_of(list(reply_to(tokenizer, spoken, set(range(60)), []))).stats
    assert none_held.n_drafts_accepted == 0
    assert none_held.n_drafts >= 22


def test_a_reply_cancelled_at_its_first_sound_says_no_more(
    tokenizer: TextTokenizer, spoken: list[int]
) -> None:
    cancel = CancelToken()
    events: list[EngineEvent] = []
    for event in reply_to(tokenizer, spoken, set(), [], cancel=cancel):
        events.append(event)
        if isinstance(event, AudioChunk):
            cancel.cancel()
    ended = stats_of(events)
    assert ended.reason is EndReason.CANCELLED
    assert ended.stats.n_tokens == 10
    assert ended.stats.audio_codes == tuple(range(8))
    assert ended.stats.n_drafts_accepted == 9


def test_a_loaded_model_gives_the_same_greedy_reply_in_both_modes(tiny_model: Path) -> None:
    engine = SpeechEngine.load(tiny_model, device="cpu")
    replies = []
    for mode in (InferenceMode.VANILLA, InferenceMode.VERIFIED):
        params = SamplingParams(max_new_tokens=40)
        request = ReplyRequest(1, Conversation(), "What is the time?", mode, params)
        stats = stats_of(list(engine.respond(request))).stats
        replies.append((stats.text, stats.audio_codes, stats.n_tokens))
    assert replies[0] == replies[1]
