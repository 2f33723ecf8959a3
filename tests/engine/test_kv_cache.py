"""The cache: one length per level, room that is written and then read, forgetting what depends."""

import pytest
import torch

from engine.config import ModelConfig
from engine.models.kv_cache import KVCache

CONFIG = ModelConfig.tiny()


def fill(cache: KVCache, level: int, n_new: int, value: float) -> None:
    for layer in cache.append(level, n_new):
        layer.room.fill_(value)


def test_levels_have_their_own_layers_and_lengths() -> None:
    cache = KVCache(CONFIG, 8)
    assert len(cache.append(0, 5)) == CONFIG.n_backbone_layers
    assert [len(cache.append(k, 4 - k)) for k in range(1, CONFIG.depth + 1)] == [1] * CONFIG.depth
    assert [cache.length(level) for level in range(CONFIG.depth + 1)] == [5, 3, 2, 1]


def test_what_is_written_to_the_room_is_among_the_contents() -> None:
    cache = KVCache(CONFIG, 8)
    fill(cache, 1, 2, 1.0)
    (layer,) = cache.append(1, 3)
    layer.room[:, 0] = 2.0
    layer.room[:, 1] = 3.0
    expected = torch.tensor([1.0, 1.0, 2.0, 2.0, 2.0])
    for keys in (layer.keys, cache.entries(1)[0]):
        assert keys.shape == (1, CONFIG.num_key_value_heads, 5, CONFIG.head_dim)
        assert torch.equal(keys[0, 1, :, 0], expected)
    assert layer.values[0, 0, :, 3].tolist() == [1.0, 1.0, 3.0, 3.0, 3.0]


def test_truncating_forgets_what_was_computed_from_later_tokens() -> None:
    """Entry i of level k stands for token i + k, so deeper levels keep fewer."""
    cache = KVCache(CONFIG, 16)
    for level in range(CONFIG.depth + 1):
        fill(cache, level, 10, 1.0)
    cache.truncate(6)
    assert [cache.length(level) for level in range(CONFIG.depth + 1)] == [6, 5, 4, 3]
    cache.truncate(2)
    assert [cache.length(level) for level in range(CONFIG.depth + 1)] == [2, 1, 0, 0]
    cache.reset()
    assert {cache.length(level) for level in range(CONFIG.depth + 1)} == {0}


def test_one_level_can_be_shortened_alone() -> None:
    cache = KVCache(CONFIG, 16)
    for level in range(CONFIG.depth + 1):
        fill(cache, level, 6, 1.0)
    cache.shorten(0, 4)
    assert [cache.length(level) for level in range(CONFIG.depth + 1)] == [4, 6, 6, 6]
    with pytest.raises(AssertionError, match="5 entries of 4"):
        cache.shorten(0, 5)


def test_growing_keeps_every_entry() -> None:
    cache = KVCache(CONFIG, 4)
    fill(cache, 0, 3, 1.5)
    fill(cache, 2, 2, 2.5)
    cache.grow(9)
    cache.grow(5)
    assert cache.capacity == 9
    assert set(cache.entries(0)[1].flatten().tolist()) == {1.5}
    assert set(cache.entries(2)[0].flatten().tolist()) == {2.5}
    assert len(cache.append(0, 6)) == CONFIG.n_backbone_layers


def test_a_full_cache_is_our_own_mistake() -> None:
    cache = KVCache(CONFIG, 4)
    with pytest.raises(AssertionError, match="5 entries in a cache for 4"):
        cache.append(0, 5)


@pytest.mark.parametrize("n_new", [2, 32, 33])
@pytest.mark.parametrize("start", [0, 1, 7])
def test_a_row_sees_the_entries_up_to_its_own(start: int, n_new: int) -> None:
    mask = KVCache(CONFIG, 64).causal_mask(start, n_new)
    assert mask is not None
    group = CONFIG.num_attention_heads // CONFIG.num_key_value_heads
    assert mask.shape == (n_new * group, start + n_new)
    for row in range(n_new * group):
        n_seen = start + row // group + 1
        assert (mask[row, :n_seen] == 0).all()
        assert (mask[row, n_seen:] == -torch.inf).all()


def test_one_row_needs_no_mask() -> None:
    assert KVCache(CONFIG, 8).causal_mask(3, 1) is None
