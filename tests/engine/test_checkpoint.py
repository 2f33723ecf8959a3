"""Weights are loaded strictly and saved whole."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.checkpoint import (
    load_weights,
    save_sharded,
    save_weights,
    weight_names,
    without_weights,
)
from engine.config import ModelConfig
from engine.errors import CheckpointError
from engine.models.speech_lm import SpeechLM, initialise


@pytest.fixture
def model() -> SpeechLM:
    return initialise(SpeechLM(ModelConfig.tiny()), torch.Generator().manual_seed(1))


def meta_model() -> SpeechLM:
    with without_weights():
        return SpeechLM(ModelConfig.tiny())


def test_what_is_saved_is_loaded(model: SpeechLM, tmp_path: Path) -> None:
    save_weights(model, tmp_path / "model.safetensors")
    loaded = meta_model()
    load_weights(loaded, tmp_path)
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], tensor, rtol=0, atol=0)
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def test_half_precision_on_disk_is_single_precision_in_memory(
    model: SpeechLM, tmp_path: Path
) -> None:
    save_weights(model, tmp_path / "half.safetensors", torch.float16)
    stored = load_file(tmp_path / "half.safetensors")
    assert {tensor.dtype for tensor in stored.values()} == {torch.float16}
    loaded = meta_model()
    load_weights(loaded, tmp_path / "half.safetensors")
    assert {tensor.dtype for tensor in loaded.state_dict().values()} == {torch.float32}


def test_shards_are_read_through_their_index(model: SpeechLM, tmp_path: Path) -> None:
    tensors = model.state_dict()
    names = sorted(tensors)
    shards = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for shard, members in shards.items():
        save_file({name: tensors[name] for name in members}, tmp_path / shard)
    weight_map = {name: shard for shard, members in shards.items() for name in members}
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    loaded = meta_model()
    load_weights(loaded, tmp_path)
    torch.testing.assert_close(dict(loaded.state_dict()), dict(tensors), rtol=0, atol=0)


def test_names_in_the_file_can_be_mapped(model: SpeechLM, tmp_path: Path) -> None:
    tensors = dict(model.state_dict())
    tensors["norm"] = tensors.pop("model.norm.weight")
    save_file(tensors, tmp_path / "model.safetensors")
    load_weights(meta_model(), tmp_path, key_map={"norm": "model.norm.weight"})


@pytest.mark.parametrize("fault", ["missing", "extra", "shape"])
def test_a_wrong_checkpoint_is_refused_and_the_weight_named(
    model: SpeechLM, tmp_path: Path, fault: str
) -> None:
    tensors = dict(model.state_dict())
    name = "mtp_projs.1.weight"
    if fault == "missing":
        del tensors[name]
    elif fault == "extra":
        name = "mtp_projs.9.weight"
        tensors[name] = torch.zeros(2)
    else:
        tensors[name] = torch.zeros(2, 3)
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=name.replace(".", r"\.")):
        load_weights(meta_model(), tmp_path)


def test_all_that_is_wrong_is_told_in_one_line_a_few_of_each_kind(
    model: SpeechLM, tmp_path: Path
) -> None:
    tensors = {
        name: tensor for name, tensor in model.state_dict().items() if "mtp_projs" not in name
    }
    tensors["model.norm.weight"] = torch.zeros(7)
    tensors |= {f"surplus.{number}.weight": torch.zeros(1) for number in range(6)}
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError) as caught:
        load_weights(meta_model(), tmp_path)
    told = str(caught.value)
    assert "3 missing (mtp_projs.0.weight, mtp_projs.1.weight, mtp_projs.2.weight)" in told
    assert "6 unexpected (surplus.0.weight," in told and "surplus.3.weight, ...)" in told
    assert "1 misshapen (model.norm.weight has (7,) in place of (32,))" in told
    assert "\n" not in told


def test_a_wrong_checkpoint_is_refused_before_any_weight_is_read(
    model: SpeechLM, tmp_path: Path
) -> None:
    tensors = dict(model.state_dict())
    del tensors["model.norm.weight"]
    save_file(tensors, tmp_path / "model.safetensors")
    empty = meta_model()
    with pytest.raises(CheckpointError):
        load_weights(empty, tmp_path)
    assert all(tensor.is_meta for tensor in empty.state_dict().values())


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="no way to look at the memory")
def test_weights_stay_in_the_mapped_file_where_nothing_is_converted(
    model: SpeechLM, tmp_path: Path
) -> None:
    path = tmp_path / "model.safetensors"
    save_weights(model, path, torch.bfloat16)
    loaded = meta_model()
    load_weights(loaded, tmp_path, dtype=torch.bfloat16)
    maps = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
    ranges = [
        tuple(int(bound, 16) for bound in line[0].split("-"))
        for line in maps
        if line[-1] == str(path)
    ]
    for tensor in loaded.state_dict().values():
        assert any(begin <= tensor.data_ptr() < end for begin, end in ranges)


def test_a_truncated_shard_is_named_with_how_much_of_it_is_there(
    model: SpeechLM, tmp_path: Path
) -> None:
    save_sharded(model, tmp_path, shard_bytes=20_000)
    shard = sorted(tmp_path.glob("*.safetensors"))[1]
    content = shard.read_bytes()
    shard.write_bytes(content[:-100])
    with pytest.raises(CheckpointError) as caught:
        load_weights(meta_model(), tmp_path)
    assert shard.name in str(caught.value)
    assert f"cut off: {len(content) - 100} of {len(content)} bytes" in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_shards_that_are_loaded_and_saved_again_are_the_same_files(
    model: SpeechLM, tmp_path: Path, dtype: torch.dtype
) -> None:
    save_sharded(model, tmp_path / "first", dtype, shard_bytes=20_000)
    loaded = meta_model()
    load_weights(loaded, tmp_path / "first", dtype=dtype)
    save_sharded(loaded, tmp_path / "second", dtype, shard_bytes=20_000)
    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("first", "second")
    )
    assert len(first) > 3
    assert first == second
    index = json.loads(first["model.safetensors.index.json"])
    n_bytes = sum(tensor.numel() for tensor in model.state_dict().values()) * dtype.itemsize
    assert index["metadata"]["total_size"] == n_bytes
    assert weight_names(tmp_path / "first") == index["weight_map"].keys()


@pytest.mark.parametrize("content", [None, b"not a checkpoint"])
def test_an_unreadable_file_is_a_checkpoint_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "model.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot read"):
        load_weights(meta_model(), tmp_path)


def test_a_failed_save_leaves_the_old_file(model: SpeechLM, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"old")
    broken = torch.nn.Module()
    broken.register_buffer("sparse", torch.eye(2).to_sparse())
    with pytest.raises((ValueError, RuntimeError, NotImplementedError)):
        save_weights(broken, path)
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1
