"""Families with keys per head: rules derived by hand, and what vLLM refuses."""

from __future__ import annotations

from typing import ClassVar

import pytest

from vram.errors import ArchitectureError, ConfigError
from vram.estimate.weights.parameters import parameter_count
from vram.models.adapter import BuildContext
from vram.models.cache import AttentionCache
from vram.models.config import ModelConfig
from vram.models.parameters import Linear
from vram.models.spec import ModelSpec
from vram.plugin.manager import plugins

RAW: dict[str, object] = {
    "hidden_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 128,
    "vocab_size": 1000,
    "max_position_embeddings": 512,
    "torch_dtype": "bfloat16",
    "tie_word_embeddings": False,
}


def build(architecture: str, version: tuple[int, int, int] = (0, 33, 0), **changes: object) -> ModelSpec:
    model = ModelConfig(raw={**RAW, "architectures": [architecture], **changes})
    return plugins().adapters[architecture].build(model, BuildContext(vllm_version=version))


def windows(spec: ModelSpec) -> list[int | None]:
    found: dict[int, int | None] = {}
    for run in spec.runs:
        for cache in run.layer.caches:
            assert isinstance(cache, AttentionCache)
            found.update(dict.fromkeys(run.indices, cache.window))
    return [found[index] for index in range(spec.num_layers)]


def linears(spec: ModelSpec) -> dict[str, Linear]:
    return {m.name: m for run in spec.runs for m in run.layer.modules if isinstance(m, Linear)}


class TestPublishedSizes:
    """Parameter counts as the models' authors state them."""

    def test_llama_2_7b(self) -> None:
        spec = build(
            "LlamaForCausalLM",
            hidden_size=4096,
            num_hidden_layers=32,
            num_attention_heads=32,
            num_key_value_heads=32,
            intermediate_size=11008,
            vocab_size=32000,
        )

        assert parameter_count(spec) == 6_738_415_616

    def test_mixtral_8x7b(self) -> None:
        spec = build(
            "MixtralForCausalLM",
            hidden_size=4096,
            num_hidden_layers=32,
            num_attention_heads=32,
            num_key_value_heads=8,
            intermediate_size=14336,
            vocab_size=32000,
            num_local_experts=8,
            num_experts_per_tok=2,
        )

        assert parameter_count(spec) == 46_702_792_704

    def test_gpt_2(self) -> None:
        raw = {"architectures": ["GPT2LMHeadModel"], "n_embd": 768, "n_head": 12, "n_layer": 12, "vocab_size": 50257}

        spec = plugins().adapters["GPT2LMHeadModel"].build(ModelConfig(raw=raw), BuildContext())

        assert parameter_count(spec) == 124_439_808

    def test_bloom_560m(self) -> None:
        raw = {
            "architectures": ["BloomForCausalLM"],
            "n_embed": 1024,
            "n_head": 16,
            "n_layer": 24,
            "vocab_size": 250880,
        }

        spec = plugins().adapters["BloomForCausalLM"].build(ModelConfig(raw=raw), BuildContext())

        assert parameter_count(spec) == 559_214_592


#: parameters of published checkpoints (safetensors indices and model cards)
PUBLISHED: dict[str, tuple[int, dict[str, object]]] = {
    "MPT-7B": (
        6_649_286_656,
        {
            "architectures": ["MPTForCausalLM"],
            "d_model": 4096,
            "n_heads": 32,
            "n_layers": 32,
            "vocab_size": 50432,
            "max_seq_len": 2048,
        },
    ),
    "Baichuan2-13B": (
        13_896_668_160,
        {
            "architectures": ["BaichuanForCausalLM"],
            "hidden_size": 5120,
            "num_hidden_layers": 40,
            "num_attention_heads": 40,
            "intermediate_size": 13696,
            "vocab_size": 125696,
        },
    ),
    "Falcon-7B": (
        6_921_720_704,
        {
            "architectures": ["FalconForCausalLM"],
            "hidden_size": 4544,
            "num_hidden_layers": 32,
            "num_attention_heads": 71,
            "vocab_size": 65024,
            "multi_query": True,
        },
    ),
    "OPT-350M": (
        331_196_416,
        {
            "architectures": ["OPTForCausalLM"],
            "hidden_size": 1024,
            "ffn_dim": 4096,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "vocab_size": 50272,
            "word_embed_proj_dim": 512,
            "do_layer_norm_before": False,
        },
    ),
    "GPT-J-6B": (
        6_050_882_784,
        {"architectures": ["GPTJForCausalLM"], "n_embd": 4096, "n_head": 16, "n_layer": 28, "vocab_size": 50400},
    ),
    "StarCoder": (
        15_517_456_384,
        {
            "architectures": ["GPTBigCodeForCausalLM"],
            "n_embd": 6144,
            "n_head": 48,
            "n_layer": 40,
            "n_inner": 24576,
            "n_positions": 8192,
            "vocab_size": 49152,
        },
    ),
    "StableLM-2-1.6B": (
        1_644_515_328,
        {
            "architectures": ["StableLmForCausalLM"],
            "hidden_size": 2048,
            "num_hidden_layers": 24,
            "num_attention_heads": 32,
            "intermediate_size": 5632,
            "vocab_size": 100352,
            "use_qkv_bias": True,
        },
    ),
    "Qwen1.5-MoE-A2.7B": (
        14_315_784_192,
        {
            "architectures": ["Qwen2MoeForCausalLM"],
            "hidden_size": 2048,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "intermediate_size": 5632,
            "vocab_size": 151936,
        },
    ),
    "OLMoE-1B-7B": (
        6_919_161_856,
        {
            "architectures": ["OlmoeForCausalLM"],
            "hidden_size": 2048,
            "num_hidden_layers": 16,
            "num_attention_heads": 16,
            "intermediate_size": 1024,
            "vocab_size": 50304,
        },
    ),
    "Gemma-2-9B": (
        9_241_705_984,
        {
            "architectures": ["Gemma2ForCausalLM"],
            "hidden_size": 3584,
            "num_hidden_layers": 42,
            "num_attention_heads": 16,
            "num_key_value_heads": 8,
            "intermediate_size": 14336,
            "vocab_size": 256000,
        },
    ),
    "gpt-oss-120b": (
        116_829_156_672,
        {
            "architectures": ["GptOssForCausalLM"],
            "hidden_size": 2880,
            "num_hidden_layers": 36,
            "num_attention_heads": 64,
            "intermediate_size": 2880,
            "vocab_size": 201088,
        },
    ),
}


@pytest.mark.parametrize("model", PUBLISHED)
def test_parameters_are_the_published_checkpoints(model: str) -> None:
    expected, raw = PUBLISHED[model]

    config = ModelConfig(raw=raw)
    spec = plugins().adapters[config.architecture].build(config, BuildContext())

    assert parameter_count(spec) == expected


class TestWindows:
    def test_a_command_r_layer_sees_one_token_more(self) -> None:
        spec = build("Cohere2ForCausalLM", sliding_window=128)

        assert windows(spec) == [129, 129, 129, None]

    def test_gpt_oss_slides_on_even_layers_whatever_its_layer_types_say(self) -> None:
        spec = build("GptOssForCausalLM", num_local_experts=4, layer_types=["full_attention"] * 4)

        assert windows(spec) == [128, None, 128, None]

    def test_mistral_without_a_word_has_the_window_of_its_first_version(self) -> None:
        assert windows(build("MistralForCausalLM")) == [4096] * 4
        assert windows(build("MistralForCausalLM", sliding_window=None)) == [None] * 4

    def test_qwen_windows_need_the_switch(self) -> None:
        assert windows(build("Qwen2ForCausalLM", sliding_window=128)) == [None] * 4
        on = build("Qwen2ForCausalLM", sliding_window=128, use_sliding_window=True, max_window_layers=0)
        assert windows(on) == [128] * 4

    def test_a_window_on_some_qwen_layers_is_what_vllm_refuses(self) -> None:
        with pytest.raises(ConfigError, match="max_window_layers"):
            build("Qwen2ForCausalLM", sliding_window=128, use_sliding_window=True, max_window_layers=2)

    def test_exaone_patterns_may_be_words(self) -> None:
        spec = build("Exaone4ForCausalLM", sliding_window=128, sliding_window_pattern="LLG")

        assert windows(spec) == [128, 128, None, None]  # the last layer is always full

    def test_embedding_gemma_keeps_nothing(self) -> None:
        spec = build("Gemma3TextModel", use_bidirectional_attention=True, sliding_window=128)

        assert all(not run.layer.caches for run in spec.runs)


class TestPrunedLlama:
    ATTENTION: ClassVar = {"n_heads_in_group": 2, "no_op": False}
    NONE: ClassVar = {"no_op": True, "n_heads_in_group": None}

    def test_each_block_has_its_own_shape(self) -> None:
        # int(2 * 2.0 * 64 / 3) = 85, rounded up to 256; 4 heads in groups of 2 make 2 heads of keys
        blocks = [
            {"attention": self.ATTENTION, "ffn": {"ffn_mult": 2.0, "no_op": False}},
            {"attention": self.NONE, "ffn": {"ffn_mult": 8.0, "no_op": False}},
            {"attention": self.ATTENTION, "ffn": {"no_op": True}},
            {"attention": self.ATTENTION, "ffn": {"ffn_mult": 2.0, "no_op": False}},
        ]

        spec = build("DeciLMForCausalLM", num_key_value_heads=None, intermediate_size=None, block_configs=blocks)

        attention = (4 + 2 + 2 + 4) * 16 * 64 + 64
        feed_forward = [3 * 256 * 64 + 64, 3 * 512 * 64 + 64, 0, 3 * 256 * 64 + 64]
        expected = 2 * 1000 * 64 + 64 + 3 * attention + sum(feed_forward)
        assert parameter_count(spec) == expected
        assert sum(len(run.indices) for run in spec.runs if run.layer.caches) == 3

    @pytest.mark.parametrize(
        "blocks", [[], [{}] * 4, ["x"] * 4, [{"attention": {"n_heads_in_group": 3}, "ffn": {}}] * 4]
    )
    def test_broken_blocks_are_config_errors(self, blocks: list[object]) -> None:
        with pytest.raises(ConfigError, match="block_configs"):
            build("DeciLMForCausalLM", block_configs=blocks)


class TestNames:
    """Ignore lists speak of checkpoint names."""

    def test_llama_fuses_what_the_checkpoint_has_apart(self) -> None:
        found = linears(build("LlamaForCausalLM"))["self_attn.qkv_proj"]

        assert found.sources == ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")

    def test_phi_3_checkpoints_are_fused_already(self) -> None:
        assert linears(build("Phi3ForCausalLM"))["mlp.gate_up_proj"].sources == ("mlp.gate_up_proj",)

    def test_only_qwen_3_moe_hands_its_router_the_quantization_config(self) -> None:
        experts = {"num_experts": 4, "moe_intermediate_size": 32}

        assert linears(build("Qwen3MoeForCausalLM", **experts))["mlp.gate"].quantizable
        assert not linears(build("Qwen2MoeForCausalLM", **experts))["mlp.gate"].quantizable


def test_before_0_32_phi_had_a_rotary_table() -> None:
    older = {p.module.name for p in build("PhiForCausalLM", version=(0, 28, 0)).placed}
    newer = {p.module.name for p in build("PhiForCausalLM").placed}

    assert "rotary_emb.cos_sin_cache" in older
    assert "rotary_emb.inv_freq" in newer


def test_open_pangu_with_sink_tokens_cannot_look_both_ways() -> None:
    with pytest.raises(ArchitectureError, match="PanguPro"):
        build("PanguProMoEV2ForCausalLM", n_routed_experts=4, param_sink_number=128, is_causal=False)


#: what vLLM 0.33.0 gave a cache where the config says `is_causal: false`
ASKS = ("Qwen2ForCausalLM", "MistralForCausalLM", "Ernie4_5ForCausalLM", "Phi3ForCausalLM")
ASKS_NOT = (
    "GraniteForCausalLM",
    "NemotronForCausalLM",
    "Exaone4ForCausalLM",
    "CohereForCausalLM",
    "SolarForCausalLM",
    "Glm4ForCausalLM",
    "Olmo2ForCausalLM",
    "HeliumForCausalLM",
)


@pytest.mark.parametrize("architecture", [*ASKS, *ASKS_NOT])
def test_only_some_of_vllms_classes_look_at_is_causal(architecture: str) -> None:
    spec = build(architecture, is_causal=False)

    assert all(bool(run.layer.caches) is (architecture in ASKS_NOT) for run in spec.runs)


def test_chatglm_with_a_tower_is_another_class() -> None:
    fields = {"num_layers": 2, "padded_vocab_size": 100, "ffn_hidden_size": 64}

    with pytest.raises(ArchitectureError, match="GLM4VForCausalLM"):
        build("ChatGLMModel", vision_config={"hidden_size": 64}, **fields)


def test_heliums_output_projection_is_square() -> None:
    assert linears(build("HeliumForCausalLM", head_dim=32))["self_attn.o_proj"].inputs == 64


def test_per_layer_heads_must_divide() -> None:
    with pytest.raises(ConfigError, match="num_attention_heads"):
        build("LagunaForCausalLM", num_attention_heads_per_layer=[4, 3, 4, 4])
