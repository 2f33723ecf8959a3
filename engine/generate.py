"""The token loop: prefill, main step, MCTP step, each feeding whatever its network has not seen.

Every new token is made by the network its schedule names. A main step feeds the backbone all tokens
it has not cached; a step of MCTP module k feeds that module every state of the level before that it
has not used. Nothing is computed twice and tokens of a module are final; ``verified.py`` has the
loop in which they are drafts.
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import zip_longest

import numpy as np
import torch
from torch import Tensor

from engine.cancel import CancelToken
from engine.chat_template import PlacedSpeech
from engine.errors import RequestError
from engine.models.decoder import Decoder
from engine.models.kv_cache import KVCache
from engine.models.speech_lm import SpeechLM
from engine.modes import MAIN, ForwardSchedule, Step
from engine.sampling import sample
from engine.sampling_params import SamplingParams
from engine.verified import VerifiedLoop


class DecodeState:
    """All tokens of a conversation so far and what the networks remember of them.

    It belongs to the thread that generates. ``truncate`` takes it back to a prefix, so that a later
    turn continues from there. It never holds more than ``limit`` tokens, nor more than the model
    has positions.
    """

    def __init__(self, decoder: Decoder, capacity: int = 256, limit: int | None = None) -> None:
        config = decoder.config
        positions = config.max_position_embeddings
        self._limit = positions if limit is None else min(limit, positions)
        capacity = min(capacity, self._limit)
        self.cache = KVCache(config, capacity, dtype=decoder.dtype, device=decoder.device)
        self._n_tokens = 0
        self._speech: tuple[PlacedSpeech, ...] = ()
        self._ids = torch.empty(capacity, dtype=torch.long, device=decoder.device)
        # Row i of level k is the state that entry i of the cache's level k came to.
        self._states = [
            torch.empty(capacity, config.hidden_size, dtype=decoder.dtype, device=decoder.device)
            for _ in range(config.depth)
        ]

    @property
    def ids(self) -> Tensor:
        """All token ids so far, (T,)."""
        return self._ids[: self._n_tokens]

    def append(self, token_ids: Sequence[int]) -> None:
        """Adds tokens that no network has seen yet."""
        stop = self._n_tokens + len(token_ids)
        self.reserve(stop)
        if len(token_ids) == 1:
            self._ids[self._n_tokens] = token_ids[0]
        else:
            self._ids[self._n_tokens : stop] = torch.tensor(token_ids, dtype=torch.long)
        self._n_tokens = stop

    def truncate(self, n_tokens: int) -> None:
        """Forgets all tokens past the first ``n_tokens`` and whatever was computed from them."""
        assert n_tokens <= self._n_tokens, f"{n_tokens} tokens of {self._n_tokens}"
        self._n_tokens = n_tokens
        self._speech = tuple(
            PlacedSpeech(placed.start, placed.embeddings.first(n_tokens - placed.start))
            for placed in self._speech
            if placed.start < n_tokens
        )
        self.cache.truncate(n_tokens)

    def keep_common_prefix(
        self, token_ids: Sequence[int], speech: Sequence[PlacedSpeech] = ()
    ) -> None:
        """Becomes ``token_ids``, keeping what was computed for the part they share with it.

        The last token always counts as unseen, because the next one is drawn from its state. Where
        other ``speech`` takes the place of the same ids, the shared part ends before it.
        """
        old = self.ids.tolist()
        shared = 0
        for mine, theirs in zip(old, token_ids[:-1], strict=False):
            if mine != theirs:
                break
            shared += 1
        for ours, new in zip_longest(self._speech, speech):
            if not _is_same(ours, new):
                shared = min(shared, *(placed.start for placed in (ours, new) if placed))
                break
        self.truncate(shared)
        self.append(token_ids[shared:])
        self._speech = tuple(speech)

    def reserve(self, capacity: int) -> None:
        """Makes room for ``capacity`` tokens in all.

        It grows to twice its size at least, so that a long talk moves to new memory a few times in
        all. Raises ``RequestError`` past the limit.
        """
        if capacity > self._limit:
            raise RequestError(f"the conversation is longer than {self._limit} tokens")
        if capacity <= self.cache.capacity:
            return
        capacity = min(self._limit, max(capacity, 2 * self.cache.capacity))
        self.cache.grow(capacity)
        self._ids = _grown(self._ids, capacity)
        self._states = [_grown(states, capacity) for states in self._states]

    def next_logits(self, decoder: Decoder, maker: int) -> Tensor:
        """Logits (V,) of the next token as ``maker`` makes it; feeds that network what it lacks."""
        return decoder.logits(self.feed(decoder, maker)[-1:])[0]

    def last_logits(self, decoder: Decoder, n_rows: int) -> Tensor:
        """The main LLM's logits (n_rows, V) after each of the last ``n_rows`` tokens, all unseen.

        Feeds the backbone what it lacks.
        """
        states = self.feed(decoder, MAIN)
        assert n_rows <= states.shape[0], f"{n_rows} rows of {states.shape[0]} that were fed"
        return decoder.logits(states[-n_rows:])

    def feed(self, decoder: Decoder, maker: int, n_tokens: int | None = None) -> Tensor:
        """Feeds one network what it lacks of the first ``n_tokens`` tokens (None: of all).

        Returns the states (S, D), or only the last one, that came of it; they stay valid until the
        next step.
        """
        n_tokens = self._n_tokens if n_tokens is None else n_tokens
        start, stop = self.cache.length(maker), n_tokens - maker
        assert start < stop, f"level {maker} has nothing new to feed"
        ids = self._ids[start + maker : n_tokens]
        if maker == MAIN:
            states = decoder.main_step(ids, self.cache, self._inserted(decoder, start, stop))
        else:
            assert self.cache.length(maker - 1) >= stop, f"level {maker - 1} lags behind"
            before = self._states[maker - 1][start:stop]
            states = decoder.mctp_step(maker, ids, before, self.cache)
        if maker < len(self._states):
            self._states[maker][start:stop] = states
        return states

    def _inserted(self, decoder: Decoder, start: int, stop: int) -> list[tuple[int, Tensor]]:
        """The speech among tokens ``start`` to ``stop``: first rows, counted from there, and all.

        MCTP modules are not given it: they join the placeholder's own embedding with the states.
        """
        inserted = []
        for placed in self._speech:
            first = max(start, placed.start)
            rows = placed.embeddings.rows[first - placed.start : max(0, stop - placed.start)]
            if len(rows):
                on_device = torch.from_numpy(rows).to(decoder.device, decoder.dtype)
                inserted.append((first - start, on_device))
        return inserted


def _is_same(one: PlacedSpeech | None, other: PlacedSpeech | None) -> bool:
    """Whether both are the same speech in the same place."""
    if one is None or other is None or one.start != other.start:
        return False
    mine, theirs = one.embeddings, other.embeddings
    return mine is theirs or np.array_equal(mine.rows, theirs.rows)


def _grown(rows: Tensor, n_rows: int) -> Tensor:
    """A copy with room for ``n_rows``."""
    grown = rows.new_empty((n_rows, *rows.shape[1:]))
    grown[: rows.shape[0]] = rows
    return grown


@torch.inference_mode()
def generate(
    model: Decoder | SpeechLM,
    prompt_ids: Sequence[int],
    schedule: ForwardSchedule,
    params: SamplingParams,
    cancel: CancelToken | None = None,
    eos_ids: Collection[int] = (),
    state: DecodeState | None = None,
    speech: Sequence[PlacedSpeech] = (),
) -> Iterator[Step]:
    """Yields new tokens one by one, the end token included, until it, the limit or ``cancel``.

    ``prompt_ids`` is the whole prompt, and ``speech`` takes the place of some of its ids (Plus).
    With ``state``, what it shares with the tokens there is not computed again, and the state is
    left for the next turn. A ``SpeechLM`` is prepared anew on every call; keep a ``Decoder`` to
    generate more than once.
    """
    decoder = model if isinstance(model, Decoder) else Decoder(model)
    if not prompt_ids:
        raise RequestError("there is no prompt to continue")
    state = DecodeState(decoder) if state is None else state
    state.keep_common_prefix(prompt_ids, speech)
    state.reserve(len(prompt_ids) + params.max_new_tokens)
    generator = torch.Generator(decoder.device).manual_seed(params.seed)
    if schedule.is_verified:
        cancel = cancel or CancelToken()
        yield from VerifiedLoop(
            decoder, state, schedule, params, generator, cancel, eos_ids
        ).steps()
        return
    for n in range(params.max_new_tokens):
        if cancel is not None and cancel.is_cancelled:
            return
        maker = schedule.maker(n)
        logits = state.next_logits(decoder, maker)
        token_id = sample(logits, params, generator, state.ids)
        state.append((token_id,))
        yield Step(token_id, maker)
        if token_id in eos_ids:
            return
