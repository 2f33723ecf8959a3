"""The parts of a model are found in all three forms, and what they lack is named."""

import json
from pathlib import Path

import pytest

from engine.catalogue import MODEL_FILES, find, installed
from engine.errors import CheckpointError
from engine.model_folder import ModelParts, Part, missing_from, parts_file

LM = ("config.json", "vocab.json", "merges.txt")
TOKENIZER = ("config.json", "model.safetensors")
DECODER = ("config.yaml", "flow.pt", "hift.pt")
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"12345")
    return folder


def released_lm(folder: Path) -> Path:
    fill(folder, *LM, *SHARDS)
    index = {"weight_map": dict(zip(("a", "b"), SHARDS, strict=True))}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """A released language model with the other parts beside it."""
    fill(tmp_path / "glm-4-voice-tokenizer", *TOKENIZER)
    fill(tmp_path / "glm-4-voice-decoder", *DECODER)
    return released_lm(tmp_path / "VITA-Audio-Boost")


def test_the_built_in_form_holds_its_parts(tmp_path: Path) -> None:
    folder = fill(tmp_path / "nano", *MODEL_FILES, "model.safetensors")
    parts = ModelParts.of(folder)
    assert parts.missing() == ()
    assert parts.folders() == {
        Part.LANGUAGE_MODEL: folder,
        Part.SPEECH_TOKENIZER: folder / "speech_tokenizer",
        Part.SPEECH_DECODER: folder / "speech_decoder",
    }


def test_a_release_finds_the_parts_beside_it(released: Path) -> None:
    parts = ModelParts.of(released)
    assert parts.missing() == ()
    assert parts.speech_decoder == released.parent / "glm-4-voice-decoder"
    assert parts.speech_encoder is None
    assert find(str(released), []).name == "VITA-Audio-Boost"


def test_a_speech_encoder_beside_counts_once_it_is_complete(released: Path) -> None:
    encoder = fill(released.parent / "SenseVoiceSmall", "config.yaml")
    assert ModelParts.of(released).speech_encoder is None
    fill(encoder, "am.mvn")
    parts = ModelParts.of(released)
    assert parts.speech_encoder == encoder
    assert Part.SPEECH_TOKENIZER in parts.folders()


def test_a_speech_encoder_takes_the_place_of_a_speech_tokenizer(tmp_path: Path) -> None:
    names = [name for name in MODEL_FILES if not name.startswith("speech_tokenizer")]
    folder = fill(tmp_path / "plus", *names, "model.safetensors", "speech_encoder/config.json")
    assert ModelParts.of(folder).missing() == ("speech_encoder/am.mvn",)
    fill(folder, "speech_encoder/am.mvn")
    parts = ModelParts.of(folder)
    assert parts.missing() == ()
    assert Part.SPEECH_TOKENIZER not in parts.folders()


def test_parts_are_where_the_list_says_even_on_another_disk(released: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (released.parent / "glm-4-voice-decoder").rename(elsewhere)
    home = tmp_path / "models" / "boost"
    home.mkdir(parents=True)
    (home / "model.json").write_text(
        json.dumps(
            {
                "version": 1,
                "parts": {
                    "language_model": "../../VITA-Audio-Boost",
                    "speech_decoder": str(elsewhere),
                },
            }
        )
    )
    parts = ModelParts.of(home)
    assert parts.missing() == ()
    assert parts.folder == home
    assert parts.language_model == released
    assert parts.speech_decoder == elsewhere
    assert parts.speech_tokenizer == released.parent / "glm-4-voice-tokenizer"
    (entry,) = installed([home.parent])
    assert (entry.name, entry.folder) == ("boost", home)
    n_files = len(LM) + len(SHARDS) + len(TOKENIZER) + len(DECODER)
    index_bytes = (released / "model.safetensors.index.json").stat().st_size
    list_bytes = (home / "model.json").stat().st_size
    assert entry.n_bytes == 5 * n_files + index_bytes + list_bytes


def test_what_is_written_is_read_and_near_parts_move_with_the_folder(
    released: Path, tmp_path: Path
) -> None:
    root = tmp_path / "models"
    (root / "boost").mkdir(parents=True)
    lm = released_lm(root / "parts" / "VITA-Audio-Boost")
    given = {
        Part.LANGUAGE_MODEL: lm,
        Part.SPEECH_TOKENIZER: released.parent / "glm-4-voice-tokenizer",
        Part.SPEECH_DECODER: released.parent / "glm-4-voice-decoder",
    }
    (root / "boost" / "model.json").write_text(parts_file(given, root / "boost"))
    assert ModelParts.of(root / "boost").folders() == given
    moved = root.rename(tmp_path / "moved")
    found = ModelParts.of(moved / "boost")
    assert found.language_model == moved / "parts" / "VITA-Audio-Boost"
    assert found.missing() == ()


def test_a_missing_shard_is_named(released: Path) -> None:
    (released / SHARDS[1]).unlink()
    assert missing_from(Part.LANGUAGE_MODEL, released) == (SHARDS[1],)
    with pytest.raises(CheckpointError, match="lacks model-00002-of-00002"):
        find(str(released), [])


def test_files_missing_from_parts_elsewhere_are_named_with_their_folder(released: Path) -> None:
    (released.parent / "glm-4-voice-decoder" / "flow.pt").unlink()
    (released / "merges.txt").unlink()
    missing = ModelParts.of(released).missing()
    assert missing == ("tokenizer.json", "../glm-4-voice-decoder/flow.safetensors")


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"version": 2, "parts": {}}', '{"version": 1, "parts": {"mouth": "x"}}'],
)
def test_a_broken_list_of_parts_is_refused_and_not_listed(tmp_path: Path, content: str) -> None:
    folder = fill(tmp_path / "nano", *MODEL_FILES, "model.safetensors")
    (folder / "model.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"model\.json: not a list"):
        find("nano", [tmp_path])
    assert installed([tmp_path]) == ()


@pytest.mark.parametrize("shard", ["../../passwd", "/etc/passwd", "a/b.safetensors"])
def test_an_index_that_names_files_elsewhere_is_refused(released: Path, shard: str) -> None:
    from engine.checkpoint import weight_names

    index = {"weight_map": {"a": shard}}
    (released / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match="weight index"):
        weight_names(released)
