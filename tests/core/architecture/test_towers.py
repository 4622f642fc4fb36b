"""Towers beside a language model: their blocks, which layers are built, and when they are left out."""

from __future__ import annotations

import pytest

from vram.architecture.reading import NO_FLOAT16
from vram.architecture.towers import multimodal, served, with_tower
from vram.architecture.vision_shape import feature_layers, vision_shape
from vram.architecture.vision_towers import clip_tower
from vram.architecture.vit import GATED_NAMES, blocks
from vram.errors import ConfigError, ParallelismError
from vram.estimate.weights.ranks import Parallelism, module_bytes
from vram.models.config import ModelConfig
from vram.models.parameters import Linear, Placed, Split, Tensor
from vram.models.record import evolve
from vram.models.spec import Encoder, Layer, LayerRun, ModelSpec

OUTER = ModelConfig(raw={"architectures": ["SomeVisionModel"]})


def _bytes(modules, tp: int = 1) -> int:
    parallel = Parallelism.of(tp=tp, pp=1, dp=1, expert_parallel=False)
    return sum(module_bytes(module, None, parallel, "bfloat16")[0] for module in modules)


def _text() -> ModelSpec:
    linear = Linear(name="mlp.up", inputs=4, outputs=(Split(size=8),), sources=("mlp.up",))
    return ModelSpec(
        architecture="SomeForCausalLM",
        dtype="bfloat16",
        hidden_size=4,
        vocab_size=8,
        num_attention_heads=2,
        max_model_len=16,
        derived_max_model_len=16,
        num_layers=2,
        runs=(LayerRun(layer=Layer(modules=(linear,)), indices=(0, 1)),),
        placed=(
            Placed(module=Tensor(name="model.norm", shape=(4,)), stage="last"),
            Placed(module=Tensor(name="lm_head", shape=(8, 4)), stage="last"),
        ),
    )


def _encoder(modality: str) -> Encoder:
    return Encoder(modality=modality, max_item_tokens=4, patches=16, width=8, mlp_width=16)


def _seeing_and_hearing() -> ModelSpec:
    eye = Linear(name="visual.fc", inputs=8, outputs=(Split(size=16),), sources=("visual.fc",))
    ear = Tensor(name="audio.fc", shape=(8, 8))
    spec = multimodal(
        _text(),
        OUTER,
        modules=(eye,),
        encoders=(_encoder("image"),),
        modalities=("image", "video"),
        data_parallel=True,
    )
    return with_tower(spec, (ear,), modalities=("audio",), encoders=(_encoder("audio"),))


def test_a_gated_block_holds_what_its_shapes_say() -> None:
    # width 8, 2 heads, MLP 12, biases: qkv 24·8 + 24, out 8·8 + 8, gate and up 24·8 + 24, down 8·12 + 8, two norms of
    # 2·8; 640 elements in each of 3 blocks, 2 bytes each
    found = blocks("b", count=3, width=8, heads=2, mlp_width=12, names=GATED_NAMES, gated=True)

    assert _bytes(found) == (24 * 8 + 24 + 64 + 8 + 24 * 8 + 24 + 96 + 8 + 32) * 3 * 2


def test_a_block_is_divided_by_heads_and_features_but_for_its_norms_and_row_biases() -> None:
    # halves of qkv (12·8 + 12), out (8·4 + 8), up (6·8 + 6), down (8·6 + 8); the norms of 2·16 stay whole
    found = blocks("b", count=1, width=8, heads=2, mlp_width=12)

    assert _bytes(found, tp=2) == (12 * 8 + 12 + 32 + 8 + 48 + 6 + 48 + 8 + 32) * 2


def test_heads_that_do_not_divide_are_refused_as_vllm_refuses_them() -> None:
    found = blocks("b", count=1, width=12, heads=3, mlp_width=12)

    with pytest.raises(ParallelismError):
        _bytes(found, tp=2)


def test_clip_has_a_position_per_patch_and_one_for_the_class() -> None:
    config = ModelConfig(
        raw={
            "hidden_size": 8,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 12,
            "image_size": 6,
            "patch_size": 2,
        }
    )

    shapes = {module.name: module.shape for module in clip_tower(config, "") if isinstance(module, Tensor)}

    assert shapes["vision_model.embeddings.position_embedding"] == (10, 8)
    assert shapes["vision_model.embeddings.patch_embedding"] == (8, 3 * 2 * 2)


@pytest.mark.parametrize(("wanted", "built"), [(-1, 24), (-2, 23), (5, 5), ([-2, 3], 23), (0, 0)])
def test_a_tower_is_built_up_to_the_deepest_layer_whose_features_are_used(wanted: object, built: int) -> None:
    config = ModelConfig(raw={"vision_feature_layer": wanted})

    assert feature_layers(config, 24) == built


def test_a_feature_layer_beyond_the_tower_names_the_field() -> None:
    with pytest.raises(ConfigError, match="vision_feature_layer"):
        feature_layers(ModelConfig(raw={"vision_feature_layer": [30]}), 24)


def test_an_image_smaller_than_a_patch_names_the_field() -> None:
    raw = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 4, "patch_size": 14}

    with pytest.raises(ConfigError, match="image_size"):
        vision_shape(ModelConfig(raw=raw))


def test_the_language_models_names_get_the_prefix_vllm_gives_them() -> None:
    spec = multimodal(_text(), OUTER, modules=())

    assert spec.runs[0].prefix == "language_model.model.layers"
    assert [placed.prefix + placed.module.name for placed in spec.placed] == [
        "language_model.model.norm",
        "language_model.lm_head",
    ]


def test_a_language_model_inside_leaves_its_head_outside() -> None:
    spec = multimodal(_text(), OUTER, modules=(), inside="model.text_model.")

    assert spec.runs[0].prefix == "model.text_model.layers"
    assert [placed.prefix + placed.module.name for placed in spec.placed] == ["model.text_model.norm", "lm_head"]


def test_a_tower_stays_while_one_of_its_modalities_may_be_used() -> None:
    spec = _seeing_and_hearing()

    assert served(spec, frozenset({"image"}), tp_mode="weights", version=(0, 32, 0)) is spec


def test_a_tower_goes_when_none_of_its_modalities_may_be_used() -> None:
    spec = served(_seeing_and_hearing(), frozenset({"image", "video"}), tp_mode="weights", version=(0, 32, 0))

    assert [placed.module.name for placed in spec.placed] == ["model.norm", "lm_head", "audio.fc"]
    assert [encoder.modality for encoder in spec.encoders] == ["audio"]


def test_data_parallel_towers_are_held_whole_and_the_language_model_is_not() -> None:
    spec = served(_seeing_and_hearing(), frozenset(), tp_mode="data", version=(0, 32, 0))

    tower = next(placed.module for placed in spec.placed if placed.module.name == "visual.fc")
    text = spec.runs[0].layer.modules[0]
    assert isinstance(tower, Linear)
    assert isinstance(text, Linear)
    assert (tower.parallel, text.parallel) == ("replicated", "column")
    assert not any(encoder.tensor_parallel for encoder in spec.encoders)


def test_the_same_question_gives_the_same_object() -> None:
    # specs are compared by identity where their weights are cached
    spec = _seeing_and_hearing()

    first = served(spec, frozenset({"audio"}), tp_mode="weights", version=(0, 32, 0))

    assert served(spec, frozenset({"audio"}), tp_mode="weights", version=(0, 32, 0)) is first


def test_since_0_33_later_pipeline_stages_have_no_tower() -> None:
    # `interfaces.py:_mark_tower_model` of 0.33.0
    spec = served(_seeing_and_hearing(), frozenset(), tp_mode="weights", version=(0, 33, 0))

    stages = {placed.module.name: placed.stage for placed in spec.placed}
    assert (stages["visual.fc"], stages["audio.fc"]) == ("first", "first")


def test_the_outer_config_says_whether_float16_will_do() -> None:
    # PaliGemma 2 has Gemma 2 inside and is not among the types that vLLM calls unstable; Gemma 3 is
    text = evolve(_text(), hints=frozenset({NO_FLOAT16}))

    paligemma = multimodal(text, ModelConfig(raw={"architectures": ["M"], "model_type": "paligemma"}), modules=())
    gemma = multimodal(_text(), ModelConfig(raw={"architectures": ["M"], "model_type": "gemma3"}), modules=())

    assert NO_FLOAT16 not in paligemma.hints
    assert NO_FLOAT16 in gemma.hints


def test_a_bare_parameter_of_the_model_stays_without_its_tower() -> None:
    # LLaVA-NeXT's image_newline under pipeline parallelism, vLLM 0.33.0: on both stages
    spec = multimodal(_text(), OUTER, modules=(Tensor(name="image_newline", shape=(8,)),))

    kept = served(spec, frozenset({"image"}), tp_mode="weights", version=(0, 33, 0))

    assert {placed.module.name: placed.stage for placed in kept.placed}["image_newline"] == "every"
