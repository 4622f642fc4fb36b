"""What a multimodal config means beyond its sizes: ties, defaults, names, the largest item, versions."""

from __future__ import annotations

from contextlib import suppress

import pytest

from vram.errors import ArchitectureError, ConfigError, VramError
from vram.estimate.weights.parameters import parameter_count
from vram.estimate.weights.ranks import Parallelism, module_bytes, rank_weights
from vram.estimate.weights.resolved import resolve
from vram.models.adapter import BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Embedding
from vram.models.spec import ModelSpec
from vram.plugin.manager import plugins

CLIP_L = {
    "model_type": "clip_vision_model",
    "hidden_size": 1024,
    "image_size": 336,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "num_hidden_layers": 24,
    "patch_size": 14,
}
#: as published: the text section states nothing but its differences from transformers' defaults
LLAVA = {
    "architectures": ["LlavaForConditionalGeneration"],
    "model_type": "llava",
    "text_config": {"model_type": "llama", "max_position_embeddings": 4096, "vocab_size": 32064},
    "vision_config": CLIP_L,
    "vision_feature_layer": -2,
    "vision_feature_select_strategy": "default",
    "torch_dtype": "float16",
}
LLAVA_NEXT = {
    **LLAVA,
    "architectures": ["LlavaNextForConditionalGeneration"],
    "model_type": "llava_next",
    "image_grid_pinpoints": [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]],
    "text_config": {
        "model_type": "mistral",
        "architectures": ["MistralForCausalLM"],
        "sliding_window": None,
        "vocab_size": 32064,
        "max_position_embeddings": 32768,
    },
}
PIXTRAL_SMALL = {
    "architectures": ["Mistral3ForConditionalGeneration"],
    "model_type": "mistral3",
    "spatial_merge_size": 2,
    "vision_feature_layer": -1,
    "text_config": {
        "model_type": "mistral",
        "hidden_size": 256,
        "intermediate_size": 384,
        "num_hidden_layers": 2,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "vocab_size": 1000,
        "sliding_window": None,
    },
    "vision_config": {"model_type": "pixtral", "image_size": 1540, "patch_size": 14},
}
QWEN3_VL = {
    "architectures": ["Qwen3VLForConditionalGeneration"],
    "model_type": "qwen3_vl",
    "tie_word_embeddings": False,
    "text_config": {
        "model_type": "qwen3_vl_text",
        "hidden_size": 256,
        "intermediate_size": 384,
        "num_hidden_layers": 2,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "vocab_size": 1000,
        "max_position_embeddings": 4096,
        "rope_scaling": {"rope_type": "default", "mrope_section": [6, 5, 5], "mrope_interleaved": True},
    },
    "vision_config": {"out_hidden_size": 256},
}
#: Llama-3.2-11B-Vision as published
MLLAMA = {
    "architectures": ["MllamaForConditionalGeneration"],
    "model_type": "mllama",
    "text_config": {
        "model_type": "mllama_text_model",
        "cross_attention_layers": [3, 8, 13, 18, 23, 28, 33, 38],
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "max_position_embeddings": 131072,
        "num_attention_heads": 32,
        "num_hidden_layers": 40,
        "num_key_value_heads": 8,
        "rope_theta": 500000.0,
        "vocab_size": 128256,
    },
    "vision_config": {
        "attention_heads": 16,
        "hidden_size": 1280,
        "image_size": 560,
        "intermediate_size": 5120,
        "max_num_tiles": 4,
        "num_global_layers": 8,
        "num_hidden_layers": 32,
        "patch_size": 14,
        "vision_output_dim": 7680,
    },
    "torch_dtype": "bfloat16",
}


def build(raw: dict[str, object], version: tuple[int, int, int] = (0, 32, 0)) -> ModelSpec:
    config = ModelConfig(raw=raw)
    return plugins().adapters[config.architecture].build(config, BuildContext(vllm_version=version))


def heads(spec: ModelSpec) -> list[str]:
    return [one.module.name for one in spec.placed if isinstance(one.module, Embedding) and one.module.lm_head]


def largest(spec: ModelSpec, modality: str) -> int:
    return next(encoder.max_item_tokens for encoder in spec.encoders if encoder.modality == modality)


def test_a_text_section_that_states_only_differences_is_a_whole_language_model() -> None:
    # Llama's defaults are Llama 7B's: 6.74 billion with the wider vocabulary; CLIP's 23 layers and the projector
    # add 0.29 and 0.02
    spec = build(LLAVA)

    assert spec.num_layers == 32
    assert 7.0e9 < parameter_count(spec) < 7.1e9


def test_an_image_of_llava_is_its_patches_without_the_class_token() -> None:
    assert largest(build(LLAVA), "image") == 24 * 24


def test_an_image_of_llava_next_is_the_pinpoint_with_most_features() -> None:
    # two by two tiles of 24 × 24 patches, a newline for each of 48 rows, and the overview
    assert largest(build(LLAVA_NEXT), "image") == 48 * 48 + 48 + 24 * 24


def test_an_image_of_mistral_small_is_its_merged_patches() -> None:
    # 1540 pixels are 110 patches of 14, merged two by two
    assert largest(build(PIXTRAL_SMALL), "image") == 55 * 55


def test_an_image_of_qwen3_vl_fills_the_published_pixel_limit_with_merged_patches() -> None:
    # 16,777,216 pixels in squares of 32
    assert largest(build(QWEN3_VL), "image") == 16384


def test_a_null_window_in_a_text_section_is_no_window() -> None:
    kinds = {cache.kind for run in build(PIXTRAL_SMALL).runs for cache in run.layer.caches}

    assert kinds == {"full_attention"}


def test_mistral_3_ties_its_embeddings_unless_the_outer_config_says_otherwise() -> None:
    # transformers 5's Mistral3Config says tied where config.json is silent, and vLLM follows the outer config
    assert heads(build(PIXTRAL_SMALL)) == []
    assert heads(build({**PIXTRAL_SMALL, "tie_word_embeddings": False})) == ["lm_head"]


def test_qwen3_vl_needs_a_rotary_table_four_times_as_long_before_0_32() -> None:
    def rows(version: tuple[int, int, int]) -> int:
        spec = build(QWEN3_VL, version)
        tables = [one.module for one in spec.placed if "cos_sin" in one.module.name and one.prefix]
        return tables[0].shape[0]

    assert rows((0, 28, 0)) == 4 * rows((0, 32, 0)) == 4 * 4096


def test_qwen3_vls_levels_have_a_buffer_as_long_as_a_batch() -> None:
    # three levels of (8192, 256) in bf16 beside the tower: Qwen3-VL-30B-A3B logged 107 MiB more than its tensors on an H200
    (buffers,) = [one.module for one in build(QWEN3_VL).placed if one.module.name == "deepstack_input_embeds"]

    assert buffers.count == 3
    assert module_bytes(buffers, None, Parallelism(tp=2), "bfloat16") == (0, 3 * 8192 * 256 * 2)


def test_checkpoint_names_are_renamed_to_those_vllm_gives_its_modules() -> None:
    renames = dict(build(QWEN3_VL).renames)

    assert renames["model.visual."] == "visual."
    assert renames["model.language_model."] == "language_model.model."


def test_llama_3_2_vision_has_the_parameters_its_checkpoint_has() -> None:
    # the published 11B checkpoint: 21,340,441,670 bytes in bfloat16
    spec = build(MLLAMA, (0, 9, 2))

    assert parameter_count(spec) * 2 == 21_340_441_670


def test_llama_3_2_vision_attends_to_images_in_every_fifth_layer() -> None:
    spec = build(MLLAMA, (0, 9, 2))

    crossing = [run.indices for run in spec.runs if run.layer.caches[0].kind == "cross_attention"]
    assert crossing == [(3, 8, 13, 18, 23, 28, 33, 38)]


def test_llama_3_2_vision_is_refused_by_versions_without_it() -> None:
    with pytest.raises(ArchitectureError, match=r"0\.10"):
        build(MLLAMA)


def test_a_missing_text_section_is_named() -> None:
    raw = {key: value for key, value in LLAVA.items() if key != "text_config"}

    with pytest.raises(ConfigError, match="text_config"):
        build(raw)


@pytest.mark.parametrize("value", [0, -1, "x", [], {}, 10**30, True])
@pytest.mark.parametrize(
    "field", ["hidden_size", "num_attention_heads", "num_hidden_layers", "patch_size", "image_size"]
)
def test_a_hostile_vision_section_ends_in_one_of_our_errors_or_an_answer(field: str, value: object) -> None:
    raw = {**LLAVA, "vision_config": {**CLIP_L, field: value}}

    with suppress(VramError):
        spec = build(raw)
        rank_weights(resolve(spec, None), Parallelism.of(tp=1, pp=1, dp=1, expert_parallel=False), "bfloat16")
