"""The token loop: cached equals uncached, prefixes are reused, replies end when they should."""

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest
import torch

import engine.models.decoder as decoder_module
from engine.cancel import CancelToken
from engine.chat_template import PlacedSpeech
from engine.config import ModelConfig
from engine.conversation import SpeechEmbeddings
from engine.errors import RequestError
from engine.generate import DecodeState, generate
from engine.models.decoder import Decoder
from engine.models.speech_lm import SpeechLM, initialise
from engine.modes import MAIN, ForwardSchedule, InferenceMode, Step
from engine.sampling_params import SamplingParams
from tests.engine.uncached import uncached_logits

PROMPT = [5, 17, 3, 88, 41, 2, 60]
TOLERANCE = 1e-4
SLOT = 77
SPOKEN = [5, *[SLOT] * 6, 9, 4, *[SLOT] * 3, 60]


def make_model(config: ModelConfig, stored_in_half: bool) -> SpeechLM:
    """Random weights, large enough for attention and norms to matter."""
    model = initialise(SpeechLM(config), torch.Generator().manual_seed(7)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3))
            parameter.add_(noise, alpha=0.2)
    return model.half().float() if stored_in_half else model


@pytest.fixture(scope="module", params=[True, False], ids=["half-exact", "single"])
def model(request: pytest.FixtureRequest) -> SpeechLM:
    return make_model(ModelConfig.tiny(), request.param)


@pytest.fixture(scope="module")
def decoder(model: SpeechLM) -> Decoder:
    return Decoder(model)


def schedule(mode: InferenceMode, decoder: Decoder) -> ForwardSchedule:
    return mode.schedule(decoder.config.depth)


def tokens(steps: Iterator[Step]) -> list[int]:
    return [step.token_id for step in steps]


def embeddings(n_rows: int, seed: int) -> SpeechEmbeddings:
    generator = np.random.default_rng(seed)
    return SpeechEmbeddings(generator.standard_normal((n_rows, 32), dtype=np.float32))


def speech_in(prompt: list[int], *seeds: int) -> list[PlacedSpeech]:
    """Different speech for each seed in the prompt's runs of slots, in order."""
    starts = [n for n, i in enumerate(prompt) if i == SLOT and prompt[n - 1] != SLOT]
    lengths = [next(n for n, i in enumerate(prompt[at:]) if i != SLOT) for at in starts]
    return [
        PlacedSpeech(start, embeddings(length, seed))
        for start, length, seed in zip(starts, lengths, seeds, strict=True)
    ]


def embedded(model: SpeechLM, prompt: list[int], speech: list[PlacedSpeech]) -> torch.Tensor:
    """The prompt's embeddings (1, T, D) with the speech in them."""
    rows = model.embed(torch.tensor([prompt])).detach().clone()
    for placed in speech:
        inserted = torch.from_numpy(placed.embeddings.rows)
        rows[0, placed.start : placed.start + len(inserted)] = inserted
    return rows


@torch.inference_mode()
def assert_cached_equals_uncached(
    model: SpeechLM,
    decoder: Decoder,
    mode: InferenceMode,
    prompt: list[int],
    n_tokens: int,
    speech: list[PlacedSpeech] | None = None,
) -> None:
    plan, speech = schedule(mode, decoder), speech or []
    state, ids = DecodeState(decoder, 8), list(prompt)
    heard = embedded(model, prompt, speech)
    state.keep_common_prefix(prompt, speech)
    for n in range(n_tokens):
        logits = state.next_logits(decoder, plan.maker(n))
        expected = uncached_logits(model, ids, plan.maker(n), heard)
        torch.testing.assert_close(logits, expected, rtol=0, atol=TOLERANCE)
        ids.append(int(expected.argmax()))
        state.append(ids[-1:])


@pytest.mark.parametrize("mode", [mode for mode in InferenceMode if not mode.is_verified])
def test_cached_equals_uncached_in_every_mode(
    model: SpeechLM, decoder: Decoder, mode: InferenceMode
) -> None:
    assert_cached_equals_uncached(model, decoder, mode, PROMPT, 40)


def test_cached_equals_uncached_after_a_long_prompt(model: SpeechLM, decoder: Decoder) -> None:
    prompt = [n * 31 % decoder.config.vocab_size for n in range(150)]
    assert_cached_equals_uncached(model, decoder, InferenceMode.BOOST, prompt, 8)


@pytest.mark.parametrize("mode", [mode for mode in InferenceMode if not mode.is_verified])
def test_cached_equals_uncached_in_every_mode_with_speech_in_the_prompt(
    model: SpeechLM, decoder: Decoder, mode: InferenceMode
) -> None:
    assert_cached_equals_uncached(model, decoder, mode, SPOKEN, 24, speech_in(SPOKEN, 1, 2))


def test_a_verified_reply_to_speech_in_the_prompt_is_vanillas(decoder: Decoder) -> None:
    params = SamplingParams(max_new_tokens=40)
    replies = [
        [
            step.token_id
            for step in generate(
                decoder, SPOKEN, schedule(mode, decoder), params, speech=speech_in(SPOKEN, 1, 2)
            )
        ]
        for mode in (InferenceMode.VANILLA, InferenceMode.VERIFIED)
    ]
    assert replies[0] == replies[1]


def test_cached_equals_uncached_with_tied_embeddings_and_one_head_each() -> None:
    config = dataclasses.replace(
        ModelConfig.tiny(), tie_word_embeddings=True, num_key_value_heads=4
    )
    model = make_model(config, True)
    assert_cached_equals_uncached(model, Decoder(model), InferenceMode.TURBO, PROMPT, 12)


def test_a_large_vocabulary_needs_no_table_of_embeddings(
    model: SpeechLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder_module, "LARGEST_TABLE_BYTES", 0)
    assert_cached_equals_uncached(model, Decoder(model), InferenceMode.TURBO, PROMPT, 12)


def test_half_precision_decoding_follows_single_precision(model: SpeechLM) -> None:
    low = SpeechLM(model.config)
    low.load_state_dict(model.state_dict())
    decoder = Decoder(low.to(torch.bfloat16))
    state = DecodeState(decoder)
    state.append(PROMPT)
    with torch.inference_mode():
        logits = state.next_logits(decoder, MAIN)
        state.append([9])
        module_logits = state.next_logits(decoder, 1)
    expected = uncached_logits(model, PROMPT, MAIN), uncached_logits(model, [*PROMPT, 9], 1)
    for actual, exact in zip((logits, module_logits), expected, strict=True):
        assert torch.cosine_similarity(actual.float(), exact, dim=0) > 0.999


def test_a_module_of_a_model_without_modules_is_the_main_llm() -> None:
    config = dataclasses.replace(
        ModelConfig.tiny(), num_hidden_layers=2, num_nextn_predict_layers=0
    )
    decoder = Decoder(make_model(config, True))
    params = SamplingParams(max_new_tokens=12)
    replies = {
        mode: tokens(generate(decoder, PROMPT, schedule(mode, decoder), params))
        for mode in (InferenceMode.VANILLA, InferenceMode.TURBO, InferenceMode.VERIFIED)
    }
    assert replies[InferenceMode.VANILLA] == replies[InferenceMode.TURBO]
    assert replies[InferenceMode.VANILLA] == replies[InferenceMode.VERIFIED]


@pytest.mark.parametrize("first", InferenceMode)
@pytest.mark.parametrize("second", InferenceMode)
def test_a_later_turn_continues_where_the_conversation_parted(
    decoder: Decoder, first: InferenceMode, second: InferenceMode
) -> None:
    """Whatever mode the earlier reply had, and wherever in it the new prompt departs."""
    params = SamplingParams(max_new_tokens=20)
    state = DecodeState(decoder)
    reply = tokens(generate(decoder, PROMPT, schedule(first, decoder), params, state=state))
    for kept in (0, 3, 11, 20):
        prompt = [*PROMPT, *reply[:kept], 1, 2, 3]
        plan = schedule(second, decoder)
        continued = tokens(generate(decoder, prompt, plan, params, state=state))
        assert continued == tokens(generate(decoder, prompt, plan, params))
        state.truncate(0)
        list(generate(decoder, PROMPT, schedule(first, decoder), params, state=state))


def test_a_shared_prefix_is_not_computed_again(decoder: Decoder) -> None:
    params = SamplingParams(max_new_tokens=1)
    plan = schedule(InferenceMode.VANILLA, decoder)
    state = DecodeState(decoder)
    list(generate(decoder, PROMPT, plan, params, state=state))
    before = state.cache.entries(MAIN)[0].clone()
    state.keep_common_prefix([*PROMPT[:5], 70, 71])
    assert state.cache.length(MAIN) == 5
    assert torch.equal(state.cache.entries(MAIN)[0], before[:, :, :5])
    state.keep_common_prefix(PROMPT[:3])
    assert state.cache.length(MAIN) == 2  # the last token is fed again, for its logits


@pytest.mark.parametrize("first", InferenceMode)
@pytest.mark.parametrize("second", InferenceMode)
def test_a_turn_after_spoken_ones_continues_as_if_computed_anew(
    decoder: Decoder, first: InferenceMode, second: InferenceMode
) -> None:
    params = SamplingParams(max_new_tokens=12)
    state, speech = DecodeState(decoder), speech_in(SPOKEN, 1, 2)
    reply = tokens(
        generate(decoder, SPOKEN, schedule(first, decoder), params, state=state, speech=speech)
    )
    prompt = [*SPOKEN, *reply, 8, *[SLOT] * 4, 60]
    spoken = [*speech, PlacedSpeech(len(SPOKEN) + 13, embeddings(4, 3))]
    plan = schedule(second, decoder)
    continued = tokens(generate(decoder, prompt, plan, params, state=state, speech=spoken))
    assert continued == tokens(generate(decoder, prompt, plan, params, speech=spoken))


@pytest.mark.parametrize(
    ("seeds", "shared"),
    [
        pytest.param((1, 2), 12, id="the same"),
        pytest.param((1, 3), 9, id="another second recording"),
        pytest.param((3, 2), 1, id="another first recording"),
    ],
)
def test_equal_ids_share_what_was_computed_only_up_to_other_speech(
    decoder: Decoder, seeds: tuple[int, int], shared: int
) -> None:
    params, plan = SamplingParams(max_new_tokens=8), schedule(InferenceMode.BOOST, decoder)
    state = DecodeState(decoder)
    list(generate(decoder, SPOKEN, plan, params, state=state, speech=speech_in(SPOKEN, 1, 2)))
    speech = speech_in(SPOKEN, *seeds)
    probe = DecodeState(decoder)
    list(generate(decoder, SPOKEN, plan, params, state=probe, speech=speech_in(SPOKEN, 1, 2)))
    probe.keep_common_prefix(SPOKEN, speech)
    assert probe.cache.length(MAIN) == shared
    again = tokens(generate(decoder, SPOKEN, plan, params, state=state, speech=speech))
    assert again == tokens(generate(decoder, SPOKEN, plan, params, speech=speech))


@pytest.mark.parametrize("was_spoken", [True, False])
def test_speech_and_bare_placeholders_share_nothing_from_there(
    decoder: Decoder, was_spoken: bool
) -> None:
    state, speech = DecodeState(decoder), speech_in(SPOKEN, 1, 2)
    params, plan = SamplingParams(max_new_tokens=2), schedule(InferenceMode.VANILLA, decoder)
    before, after = (speech, []) if was_spoken else ([], speech)
    list(generate(decoder, SPOKEN, plan, params, state=state, speech=before))
    state.keep_common_prefix(SPOKEN, after)
    assert state.cache.length(MAIN) == SPOKEN.index(SLOT)


@torch.inference_mode()
def test_a_state_cut_within_speech_forgets_the_rest_of_it(
    model: SpeechLM, decoder: Decoder
) -> None:
    state, speech = DecodeState(decoder), speech_in(SPOKEN, 1, 2)
    state.keep_common_prefix(SPOKEN, speech)
    state.next_logits(decoder, MAIN)
    state.truncate(4)  # three places of the first recording
    state.append([SLOT, SLOT, 60])
    ids = [*SPOKEN[:4], SLOT, SLOT, 60]
    heard = embedded(model, ids, [PlacedSpeech(1, speech[0].embeddings.first(3))])
    expected = uncached_logits(model, ids, MAIN, heard)
    torch.testing.assert_close(state.next_logits(decoder, MAIN), expected, rtol=0, atol=TOLERANCE)


def test_the_same_seed_repeats_a_reply_and_another_does_not(decoder: Decoder) -> None:
    plan = schedule(InferenceMode.BOOST, decoder)

    def reply(seed: int) -> list[int]:
        params = SamplingParams(temperature=5.0, top_k=40, seed=seed, max_new_tokens=30)
        return tokens(generate(decoder, PROMPT, plan, params))

    assert reply(1) == reply(1) != reply(2)


def test_a_repetition_penalty_counts_prompt_and_reply_for_every_maker(decoder: Decoder) -> None:
    params = SamplingParams(repetition_penalty=1e6, max_new_tokens=60)
    reply = tokens(generate(decoder, PROMPT, schedule(InferenceMode.TURBO, decoder), params))
    positive_ran_out = len(set(reply))
    assert positive_ran_out > 30
    assert not set(reply[:20]) & set(PROMPT)


def test_an_end_token_is_given_out_and_ends_the_reply_inside_a_run(decoder: Decoder) -> None:
    params = SamplingParams(max_new_tokens=30)
    plan = schedule(InferenceMode.TURBO, decoder)
    reply = tokens(generate(decoder, PROMPT, plan, params))
    n = next(n for n in range(2, 30) if plan.maker(n) != MAIN and reply[n] not in reply[:n])
    steps = list(generate(decoder, PROMPT, plan, params, eos_ids={reply[n]}))
    assert [step.token_id for step in steps] == reply[: n + 1]
    assert steps[-1].maker == plan.maker(n) != MAIN


def test_cancelling_stops_before_the_next_token(decoder: Decoder) -> None:
    cancel = CancelToken()
    plan = schedule(InferenceMode.BOOST, decoder)
    state = DecodeState(decoder)
    steps = generate(decoder, PROMPT, plan, SamplingParams(), cancel, state=state)
    next(steps)
    next(steps)
    cancel.cancel()
    assert list(steps) == []
    assert len(state.ids) == len(PROMPT) + 2


def test_a_cancelled_reply_is_not_started(decoder: Decoder) -> None:
    cancel = CancelToken()
    cancel.cancel()
    plan = schedule(InferenceMode.BOOST, decoder)
    assert list(generate(decoder, PROMPT, plan, SamplingParams(), cancel)) == []


def test_a_model_that_was_not_prepared_generates_the_same(
    model: SpeechLM, decoder: Decoder
) -> None:
    params, plan = SamplingParams(max_new_tokens=5), schedule(InferenceMode.BOOST, decoder)
    assert tokens(generate(model, PROMPT, plan, params)) == tokens(
        generate(decoder, PROMPT, plan, params)
    )


def test_generating_changes_nothing_on_the_model(model: SpeechLM, decoder: Decoder) -> None:
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    attributes = set(vars(model)), set(vars(decoder))
    plan = schedule(InferenceMode.BOOST, decoder)
    list(generate(decoder, PROMPT, plan, SamplingParams(max_new_tokens=12)))
    assert (set(vars(model)), set(vars(decoder))) == attributes
    torch.testing.assert_close(dict(model.state_dict()), before, rtol=0, atol=0)


def test_impossible_requests_are_refused(decoder: Decoder) -> None:
    plan = schedule(InferenceMode.BOOST, decoder)
    with pytest.raises(RequestError, match="no prompt"):
        list(generate(decoder, [], plan, SamplingParams()))
    limit = decoder.config.max_position_embeddings
    with pytest.raises(RequestError, match=f"longer than {limit}"):
        list(generate(decoder, PROMPT, plan, SamplingParams(max_new_tokens=limit)))
