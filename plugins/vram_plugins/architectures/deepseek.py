"""DeepSeek V1 to V3.2 and the models built from the same parts (Kimi K2, GLM-5, GLM-4.7-Flash, Mistral Large 3 ...).

Sources: vLLM 0.32.0 `model_executor/models/deepseek_v2.py`, `models/deepseek_v32/`, `glm4_moe_lite.py`, `AXK1.py`,
`sarvam.py`, `openpangu.py`, `mistral_large_3.py`; defaults are those of transformers' config classes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from vram.architecture import (
    Dimensions,
    Part,
    decoder,
    dimensions,
    gated_mlp,
    gqa,
    layer,
    moe,
    norms,
    routing_method,
    runs_by_kind,
)
from vram.architecture.draft import Predictor, prediction_layers
from vram.architecture.latent import latent_rope, mla, sparse_indexer, topk_buffer
from vram.errors import ArchitectureError
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Stage, Tensor
from vram.models.record import evolve, frozen
from vram.models.spec import BFLOAT16_IS_AUTO, Draft, Layer, LayerRun, ModelSpec

Bias = Literal["noaux_tc", "always", "moe_router_enable_expert_bias", "router_enable_expert_bias"]


@frozen(kw_only=True)
class Variant:
    """How a family differs from DeepSeek V3. Numbers are the config class's defaults; 0 for q_lora_rank is none.

    `correction_bias` says when a router has one: for `topk_method` "noaux_tc", always, or by a flag of that name.
    `fused` False keeps q_a and kv_a apart. `fp8_cache`: an fp8 cache by default on data-centre Blackwell since 0.32
    (`models/config.py:GlmMoeDsaForCausalLM`). Only a class that `ties` asks the config whether embeddings are tied.
    """

    name: str
    architectures: tuple[str, ...]
    q_lora_rank: int = 1536
    kv_lora_rank: int = 512
    qk_nope_head_dim: int = 128
    v_head_dim: int = 128
    first_dense: int = 3
    experts: int = 0
    shared_experts: int = 0
    max_position: int = 4096
    correction_bias: Bias = "noaux_tc"
    topk_method: str = ""
    router_dtype: str | None = None
    fused: bool = True
    sparse: bool = False
    index_heads: int = 64
    fp8_cache: bool = False
    norms: tuple[str, ...] = ("input_layernorm", "post_attention_layernorm")
    ties: bool = False


DEEPSEEK_V2 = Variant(
    name="deepseek_v2",
    architectures=("DeepseekV2ForCausalLM", "DeepseekForCausalLM"),
    first_dense=0,
    experts=64,
    shared_experts=2,
    max_position=2048,
)
DEEPSEEK_V3 = Variant(
    name="deepseek_v3",
    architectures=("DeepseekV3ForCausalLM", "MistralLarge3ForCausalLM", "DeepseekV3BidirectionalModel"),
    experts=256,
    shared_experts=1,
)
#: openPangu's layers where their config has latent attention
OPENPANGU = Variant(
    name="openpangu",
    architectures=("PanguUltraMoEForCausalLM",),
    ties=True,
    q_lora_rank=0,
    correction_bias="router_enable_expert_bias",
)
VARIANTS = (
    DEEPSEEK_V2,
    DEEPSEEK_V3,
    Variant(
        name="deepseek_v32",
        architectures=("DeepseekV32ForCausalLM",),
        experts=256,
        shared_experts=1,
        sparse=True,
    ),
    Variant(
        name="glm_moe_dsa",
        architectures=("GlmMoeDsaForCausalLM",),
        q_lora_rank=2048,
        qk_nope_head_dim=192,
        v_head_dim=256,
        experts=256,
        shared_experts=1,
        max_position=202752,
        sparse=True,
        index_heads=32,
        fp8_cache=True,
    ),
    Variant(
        name="glm4_moe_lite",
        architectures=("Glm4MoeLiteForCausalLM",),
        q_lora_rank=768,
        qk_nope_head_dim=192,
        v_head_dim=256,
        first_dense=1,
        experts=64,
        shared_experts=1,
        max_position=202752,
        correction_bias="always",
        router_dtype="float32",
    ),
    Variant(
        name="axk1",
        architectures=("AXK1ForCausalLM",),
        first_dense=1,
        experts=192,
        shared_experts=1,
        max_position=32768,
        topk_method="noaux_tc",
        norms=("input_layernorm", "post_attention_layernorm", "post_mlp_layernorm"),
    ),
    Variant(
        name="mistral4",
        architectures=("Mistral4ForCausalLM",),
        ties=True,
        q_lora_rank=1024,
        kv_lora_rank=256,
        qk_nope_head_dim=64,
        first_dense=0,
        experts=128,
        shared_experts=1,
        max_position=1048576,
    ),
    Variant(
        name="sarvam_mla",
        architectures=("SarvamMLAForCausalLM",),
        ties=True,
        q_lora_rank=0,
        first_dense=0,
        shared_experts=1,
        correction_bias="moe_router_enable_expert_bias",
        fused=False,
    ),
)


#: families whose prediction layers vLLM runs
_WITH_PREDICTOR = frozenset({"deepseek_v3", "deepseek_v32", "glm_moe_dsa", "glm4_moe_lite", "openpangu"})


class DeepSeekLike(ArchitectureAdapter):
    """A decoder of latent attention with dense layers first and shared plus routed experts after."""

    def __init__(self, variant: Variant) -> None:
        self.variant = variant
        self.name = variant.name
        self.architectures = variant.architectures

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        spec = deepseek_text(config, context, variant=self.variant)
        fp8 = self.variant.fp8_cache and context.compute_capability[0] == 10 and context.vllm_version >= (0, 32, 0)
        hints = spec.hints | {BFLOAT16_IS_AUTO} if "DeepseekV32ForCausalLM" in self.architectures else spec.hints
        return evolve(spec, kv_cache_dtype="fp8_e4m3" if fp8 else "auto", hints=hints)

    def draft(self, config: ModelConfig, context: BuildContext) -> Draft:
        """The MTP layers: decoder layers with experts and, where attention is sparse, an indexer of their own."""
        if self.name not in _WITH_PREDICTOR or _is_plain(config):
            return super().draft(config, context)
        count = prediction_layers(config)
        dims = dimensions(config, head_dim_default=64, head_dim_from_config=False)
        sparse = self.variant.sparse or config.has("index_topk")
        block = latent_layer(config, dims, self.variant, routed=_experts(config, self.variant) > 0, indexer=sparse)
        return Predictor().layers(
            block,
            hidden_size=dims.hidden_size,
            vocab_size=dims.vocab_size,
            after=dims.num_hidden_layers,
            count=count,
        )


def deepseek_text(
    config: ModelConfig,
    context: BuildContext,
    *,
    variant: Variant = DEEPSEEK_V3,
    prefix: str = "model",
    outer: ModelConfig | None = None,
) -> ModelSpec:
    """The language model of a (text) config; `prefix` and `outer` are a multimodal wrapper's. Raises ConfigError."""
    plain = _is_plain(config)
    sparse = variant.sparse or config.has("index_topk")
    rotary = 0 if plain else config.integer("qk_rope_head_dim", default=64)
    dims = dimensions(config, head_dim_default=None if plain else rotary, head_dim_from_config=False)
    dims = evolve(dims, tie_word_embeddings=dims.tie_word_embeddings and variant.ties)
    extra: list[tuple[Stage, Module]] = []
    if sparse and not plain:
        extra.append(("every", topk_buffer(config.integer("index_topk", default=2048), context.max_num_batched_tokens)))
    ropes: list[Tensor] = []
    if not plain:
        ropes.append(latent_rope(config, context, rotary_dim=rotary, max_position=_positions(config, variant)))
        if sparse and not config.flag("indexer_rope_interleave"):
            ropes.append(
                latent_rope(
                    config, context, rotary_dim=rotary, max_position=_positions(config, variant), flavour="indexer_"
                )
            )
    return decoder(
        config,
        dims,
        runs=latent_runs(config, dims, variant, prefix=f"{prefix}.layers"),
        context=context,
        extra=extra,
        rope="auto" if plain else ropes,
        prefix=prefix,
        max_position_default=variant.max_position,
        dtype_config=outer,
        hints=frozenset() if looks_both_ways(config, variant) else frozenset({"latent_attention"}),
    )


def looks_both_ways(config: ModelConfig, variant: Variant) -> bool:
    """Embedding models say `is_causal` false; latent kernels being causal, they get the plain path and keep nothing.

    Source: vLLM 0.33.0 `config/model.py:use_mla`, `deepseek_v2.py:DeepseekV2Attention`. Raises ArchitectureError where a
    family's class has no plain path.
    """
    if config.flag("is_causal", default=True):
        return False
    if variant not in (DEEPSEEK_V2, DEEPSEEK_V3) or config.has("index_topk"):
        raise ArchitectureError(architecture=variant.architectures[0], problem="that looks both ways is not known")
    return True


def _positions(config: ModelConfig, variant: Variant) -> int:
    return config.integer("max_position_embeddings", default=variant.max_position)


def _is_plain(config: ModelConfig) -> bool:
    """DeepSeek V1 has plain attention (`deepseek_v2.py:DeepseekV2DecoderLayer.use_mha`)."""
    if config.string("model_type") == "deepseek" or config.get("architectures") == ["DeepseekForCausalLM"]:
        return True
    return config.get("qk_nope_head_dim") == 0 and config.get("qk_rope_head_dim") == 0


def latent_runs(config: ModelConfig, dims: Dimensions, variant: Variant, *, prefix: str) -> tuple[LayerRun, ...]:
    """Layers by kind: (has routed experts, has an indexer of its own)."""
    kinds = [
        (is_moe_layer(config, variant, index), _has_indexer(config, variant, index))
        for index in range(dims.num_hidden_layers)
    ]
    return runs_by_kind(
        kinds, lambda kind: latent_layer(config, dims, variant, routed=kind[0], indexer=kind[1]), prefix=prefix
    )


def is_moe_layer(config: ModelConfig, variant: Variant, index: int) -> bool:
    """Whether layer `index` has routed experts: after `first_k_dense_replace`, every `moe_layer_freq`-th."""
    if not _experts(config, variant):
        return False
    first = config.integer("first_k_dense_replace", default=variant.first_dense, low=0)
    return index >= first and index % config.integer("moe_layer_freq", default=1) == 0


def _experts(config: ModelConfig, variant: Variant) -> int:
    if "n_routed_experts" in config.raw and config.get("n_routed_experts") is None:
        return 0  # an explicit null makes every layer dense
    return config.integer("n_routed_experts", "num_experts", default=variant.experts, low=0)


def _has_indexer(config: ModelConfig, variant: Variant, index: int) -> bool:
    """Sparse layers may share the top-k of an earlier one (`deepseek_v2.py:DeepseekV2MLAAttention`, IndexCache)."""
    if not variant.sparse and not config.has("index_topk"):
        return False
    pattern = config.get("index_topk_pattern")
    if isinstance(pattern, str | list | tuple):
        return not (index < len(pattern) and pattern[index] == "S")
    offset = config.integer("index_skip_topk_offset", default=2, low=0)
    return max(index - offset + 1, 0) % config.integer("index_topk_freq", default=1) == 0


def latent_layer(
    config: ModelConfig, dims: Dimensions, variant: Variant, *, routed: bool, indexer: bool, dense_width: int = 0
) -> Layer:
    """One decoder layer; `routed` with experts, else dense of `dense_width` (default `intermediate_size`)."""
    mlp = (
        _experts_part(config, dims, variant)
        if routed
        else gated_mlp(hidden_size=dims.hidden_size, intermediate_size=dense_width or dims.intermediate_size)
    )
    names = variant.norms
    if config.flag("sandwich_norm"):
        names = (*names, "pre_mlp_layernorm", "post_mlp_layernorm")
    return layer(*_attention(config, dims, variant, indexer=indexer), mlp, norms(dims.hidden_size, *names))


def _attention(config: ModelConfig, dims: Dimensions, variant: Variant, *, indexer: bool) -> tuple[Part, ...]:
    if _is_plain(config):
        return (
            gqa(
                hidden_size=dims.hidden_size,
                num_heads=dims.num_attention_heads,
                num_kv_heads=dims.num_key_value_heads,
                head_dim=dims.head_dim,
            ),
        )
    q_lora_rank = q_rank(config, variant.q_lora_rank)
    both_ways = looks_both_ways(config, variant)
    attention = mla(
        hidden_size=dims.hidden_size,
        num_heads=dims.num_attention_heads,
        q_lora_rank=q_lora_rank,
        kv_lora_rank=config.integer("kv_lora_rank", default=variant.kv_lora_rank),
        qk_nope_head_dim=config.integer("qk_nope_head_dim", default=variant.qk_nope_head_dim),
        qk_rope_head_dim=config.integer("qk_rope_head_dim", default=64),
        v_head_dim=config.integer("v_head_dim", default=variant.v_head_dim),
        absorbed=not both_ways,
        fused=variant.fused,
        sparse=variant.sparse or config.has("index_topk"),
    )
    if both_ways:
        return (Part(modules=attention.modules),)
    if not indexer:
        return (attention,)
    return attention, sparse_indexer(
        hidden_size=dims.hidden_size,
        q_lora_rank=q_lora_rank,
        num_heads=config.integer("index_n_heads", default=variant.index_heads),
        head_dim=config.integer("index_head_dim", default=128),
    )


def q_rank(config: ModelConfig, default: int) -> int:
    """The query bottleneck's rank; an explicit null means none, an absent field the config class's default."""
    if "q_lora_rank" in config.raw and config.get("q_lora_rank") is None:
        return 0
    return config.integer("q_lora_rank", default=default, low=0)


def _experts_part(config: ModelConfig, dims: Dimensions, variant: Variant) -> Part:
    width = config.integer("moe_intermediate_size")
    shared = config.integer("n_shared_experts", "num_shared_experts", default=_shared_default(config, variant), low=0)
    shared_width = config.integer("moe_shared_expert_intermediate_size", default=width)
    match variant.correction_bias:
        case "noaux_tc":
            bias = config.string("topk_method", default=variant.topk_method) == "noaux_tc"
        case "always":
            bias = True
        case flag:
            bias = config.flag(flag, default=flag.startswith("moe"))
    return moe(
        hidden_size=dims.hidden_size,
        num_experts=_experts(config, variant),
        intermediate_size=width,
        top_k=config.integer("num_experts_per_tok", default=8),
        router_dtype=variant.router_dtype,
        correction_bias=bias,
        routing=routing_method(
            scoring=config.string("scoring_func") or None,
            renormalize=config.flag("norm_topk_prob", default=bias),
            biased=bias,
        ),
        shared_intermediate=shared * (shared_width if variant.name == "sarvam_mla" else width),
    )


def _shared_default(config: ModelConfig, variant: Variant) -> int:
    explicit_none = "n_shared_experts" in config.raw and config.get("n_shared_experts") is None
    return 0 if explicit_none else variant.shared_experts


def adapters() -> Iterable[ArchitectureAdapter]:
    """DeepSeek V1, V2, V3, V3.2; GLM-5 and GLM-4.7-Flash; A.X K1; Sarvam; Mistral Large 3."""
    return [DeepSeekLike(variant) for variant in VARIANTS]
