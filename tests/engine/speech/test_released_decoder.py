"""The released decoder's config is read for what it says, and nothing in it is carried out."""

from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import CheckpointError
from engine.speech.flow import FlowConfig
from engine.speech.released_decoder import released_config
from engine.speech.vocoder import HiFTConfig
from tests.release_layout import write_speech_decoder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_speech_decoder(tmp_path / "decoder", FlowConfig.tiny(), HiFTConfig.tiny())
    return tmp_path / "decoder"


def rewrite(folder: Path, old: str, new: str) -> None:
    path = folder / "config.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_the_sizes_are_those_that_were_written(folder: Path) -> None:
    flow, hift = released_config(folder)
    # How many steps are taken is not in the file: it is an argument of the reference.
    assert flow == replace(FlowConfig.tiny(), cfm=FlowConfig().cfm)
    assert hift == HiFTConfig.tiny()


def test_a_tag_is_text_and_nothing_is_called(folder: Path, tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    text = (folder / "config.yaml").read_text()
    calls = f"a: !!python/object/apply:os.system ['touch {sign}']\n"
    (folder / "config.yaml").write_text(text + calls)
    with pytest.raises(CheckpointError, match="cannot be read"):
        released_config(folder)
    (folder / "config.yaml").write_text(text + f"a: !apply:os.system ['touch {sign}']\n")
    assert released_config(folder)[1] == HiFTConfig.tiny()
    assert not sign.exists()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("macaron_style: False", "macaron_style: True", "encoder.macaron_style is True"),
        ("solver: 'euler'", "solver: 'midpoint'", "cfm.solver is 'midpoint'"),
        ("act_fn: 'gelu'", "act_fn: 'snake'", "estimator.act_fn is 'snake'"),
        ("    audio_limit: 0.99", "    surprise: 1", "unknown key hift.surprise"),
        ("    only_mask_loss: True", "    surprise: 1", "unknown key flow.surprise"),
        ("[[1, 3, 5], [1, 3, 5]]", "[[1, 3, 5], [1, 3, 7]]", "different dilations"),
        ("    estimator:", "    estimated:", "not the config of a speech decoder"),
        ("hift:", "hifi:", "not the config of a speech decoder"),
        ("!ref <sample_rate>", "!ref <nothing>", "not the config of a speech decoder"),
    ],
)
def test_what_is_not_ours_is_named(folder: Path, old: str, new: str, told: str) -> None:
    rewrite(folder, old, new)
    with pytest.raises(CheckpointError, match=told):
        released_config(folder)


@pytest.mark.parametrize("content", [b"", b"[", b"\xff\xfe\x00", b"- 1\n- 2\n", b"text"])
def test_a_broken_config_is_one_line(folder: Path, content: bytes) -> None:
    (folder / "config.yaml").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"config\.yaml") as caught:
        released_config(folder)
    assert "\n" not in str(caught.value)
