"""The Plus variant's weights have the names of the release."""

from engine.checkpoint import without_weights
from engine.config import ModelConfig
from engine.models.plus_lm import AUDIO_PREFIXES, CTC_WEIGHT, PlusSpeechLM
from engine.models.sensevoice import SenseVoiceConfig
from engine.models.speech_lm import SpeechLM


def test_the_names_of_all_weights_are_those_of_the_release() -> None:
    with without_weights():
        model = PlusSpeechLM(ModelConfig.tiny(), SenseVoiceConfig.tiny(), 9)
    audio = "model.audio_model.model"
    names = set(model.state_dict())
    assert {
        f"{audio}.embed.weight",
        f"{audio}.encoder.encoders0.0.self_attn.linear_q_k_v.bias",
        f"{audio}.encoder.encoders.0.self_attn.fsmn_block.weight",
        f"{audio}.encoder.after_norm.weight",
        f"{audio}.encoder.tp_encoders.0.feed_forward.w_1.weight",
        f"{audio}.encoder.tp_norm.bias",
        f"{audio}.ctc.ctc_lo.weight",
        f"{audio}.ctc.ctc_lo.bias",
        "model.audio_projection.pre_proj_layernorm.weight",
        "model.audio_projection.mlp.0.weight",
        "model.audio_projection.mlp.2.weight",
    } <= names


def test_only_the_audio_networks_are_added_to_the_language_model() -> None:
    with without_weights():
        plain = set(SpeechLM(ModelConfig.tiny()).state_dict())
        with_head, without = (
            set(PlusSpeechLM(ModelConfig.tiny(), SenseVoiceConfig.tiny(), n_ids).state_dict())
            for n_ids in (9, 0)
        )
    assert with_head - without == {CTC_WEIGHT, CTC_WEIGHT.replace("weight", "bias")}
    assert plain < without
    assert all(name.startswith(AUDIO_PREFIXES) for name in with_head - plain)
