"""Qwen3-Next, and the text models of Qwen3.5 and 3.6: gated delta nets with a full-attention layer now and then.

Sources: vLLM 0.32.0 `model_executor/models/qwen3_next.py`, `qwen3_5.py`; defaults are transformers' config classes'.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vram.architecture import Dimensions, Part, decoder, dimensions, gated_mlp, gqa, layer, moe, norms, runs_by_kind
from vram.architecture.draft import shared_embedding
from vram.architecture.state import gated_delta_net
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Linear, Module, Placed, Split, Tensor
from vram.models.record import evolve, frozen
from vram.models.spec import Draft, Layer, ModelSpec
from vram.vllm.rope import read_ropes, table_positions
from vram.vllm.versions import NEWEST, Version

#: `mrope.py`: four rows for a position before (`positions_factor`)
_SHORT_TABLES_SINCE = (0, 32, 0)
#: `qwen3_next.py`, `gdn_linear_attn.py`: A_log in the model's dtype from 0.11.1 to 0.18
_HALF_DECAY_SINCE, _FLOAT32_DECAY_AGAIN = (0, 11, 1), (0, 19, 0)
#: rotary share of a head where the config does not say
_PARTIAL_ROTARY = 0.25
#: vLLM's names of the methods whose kernels need at least 64 outputs per rank
_MARLIN_METHODS = frozenset({"awq", "awq_marlin", "auto_awq", "gptq", "gptq_marlin", "auto_gptq", "inc", "auto-round"})


@frozen(kw_only=True)
class Variant:
    """Defaults of one family; `fused_checkpoint` is Qwen3-Next's interleaved delta-net layout, `experts` 0 is dense."""

    name: str
    architectures: tuple[str, ...]
    experts: int
    fused_checkpoint: bool = False
    experts_per_token: int = 8


QWEN3_NEXT = Variant(
    name="qwen3_next",
    architectures=("Qwen3NextForCausalLM",),
    experts=512,
    fused_checkpoint=True,
    experts_per_token=10,
)
QWEN3_5 = Variant(name="qwen3_5", architectures=("Qwen3_5ForCausalLM",), experts=0)
QWEN3_5_MOE = Variant(name="qwen3_5_moe", architectures=("Qwen3_5MoeForCausalLM",), experts=256)


class Qwen3Next(ArchitectureAdapter):
    """A decoder of gated delta nets and gated attention, dense or with experts."""

    def __init__(self, variant: Variant) -> None:
        self.variant = variant
        self.name = variant.name
        self.architectures = variant.architectures

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        return _text(config.text(), context, self.variant, prefix="model", outer=config)

    def draft(self, config: ModelConfig, context: BuildContext) -> Draft:
        """The MTP layers: full attention with the family's MLP, fc (H, 2·H) and three norms. Raises ConfigError."""
        return qwen3_next_draft(config.text(), context, self.variant)


def qwen3_next_draft(config: ModelConfig, context: BuildContext, variant: Variant) -> Draft:
    """Prediction layers (`qwen3_next_mtp.py`, `qwen3_5_mtp.py`); embedding and LM head are the target's."""
    names = ("num_nextn_predict_layers",) if variant.name == "qwen3_next" else ("mtp_num_hidden_layers",)
    count = config.integer(*names, default=1)
    dims = _dims(config, variant)
    kinds = [(True, _is_sparse(config, variant, index)) for index in range(count)]
    runs = runs_by_kind(kinds, lambda kind: _layer(config, dims, context, variant, kind), prefix="mtp.layers")
    fc = Linear(
        name="fc",
        inputs=2 * dims.hidden_size,
        outputs=(Split(size=dims.hidden_size),),
        quantizable=context.quantization not in {"modelopt_fp4"},
        sources=("fc",),
    )
    modules: tuple[Module, ...] = (fc, *norms(dims.hidden_size, "norm", "pre_fc_norm_hidden", "pre_fc_norm_embedding"))
    placed = tuple(Placed(module=module, stage="last", prefix="mtp.") for module in modules)
    return Draft(runs=runs, placed=(*placed, shared_embedding(dims.vocab_size, dims.hidden_size)))


def _dims(config: ModelConfig, variant: Variant) -> Dimensions:
    heads = 4 if variant.name == "qwen3_5" else 2
    return dimensions(config, max_position_default=32768, head_dim_default=256, kv_heads_default=heads)


def qwen3_5_text(
    config: ModelConfig, context: BuildContext, *, prefix: str = "language_model.model", outer: ModelConfig
) -> ModelSpec:
    """The language model of Qwen3.5 and 3.6 from its text section, dense or with experts. Raises ConfigError."""
    sparse = "moe" in config.string("model_type") or (not config.has("model_type") and config.has("num_experts"))
    return _text(config, context, QWEN3_5_MOE if sparse else QWEN3_5, prefix=prefix, outer=outer)


def _text(
    config: ModelConfig, context: BuildContext, variant: Variant, *, prefix: str, outer: ModelConfig
) -> ModelSpec:
    dims = _dims(config, variant)
    if variant.name == "qwen3_next":
        dims = evolve(dims, tie_word_embeddings=False)  # vLLM never ties it
    attention = attention_layers(config, dims.num_hidden_layers)
    kinds = [(full, _is_sparse(config, variant, index)) for index, full in enumerate(attention)]
    spec = decoder(
        config,
        dims,
        runs=runs_by_kind(kinds, lambda kind: _layer(config, dims, context, variant, kind), prefix=f"{prefix}.layers"),
        context=context,
        rope="none",
        prefix=prefix,
        max_position_default=32768,
        dtype_config=outer,
        embed_stage="every",
        head_stage="every" if variant.name == "qwen3_next" else "last",
        renames=() if variant.name == "qwen3_next" else (("model.language_model.", "model."),),
    )
    state_dtype = config.string("mamba_ssm_dtype") if variant.name != "qwen3_next" else ""
    return evolve(spec, state_dtype=state_dtype or None)


def attention_layers(config: ModelConfig, layers: int) -> Sequence[bool]:
    """Which layers are full attention: `layer_types`, else every `full_attention_interval`-th. Raises ConfigError."""
    types = config.strings("layer_types")
    if types:
        if len(types) < layers:
            raise config.error("layer_types", f"names {len(types)} layers of {layers}")
        return [kind == "full_attention" for kind in types[:layers]]
    interval = config.integer("full_attention_interval", default=4)
    return [(index + 1) % interval == 0 for index in range(layers)]


def partial_table(config: ModelConfig, dims: Dimensions, version: Version = NEWEST) -> Tensor:
    """The rotary table over a quarter of the head; before 0.32 (`mrope.py`) four rows a position where rope is multimodal."""
    ropes = read_ropes(config)
    partial = _PARTIAL_ROTARY
    block = config.sub("rope_parameters") or config.sub("rope_scaling")
    if config.has("partial_rotary_factor") or (block is not None and block.has("partial_rotary_factor")):
        partial = ropes[0].partial if ropes else config.number("partial_rotary_factor")
    rows = dims.max_position
    if ropes:
        lengthened = ropes[0].mrope and version < _SHORT_TABLES_SINCE
        rows = table_positions(evolve(ropes[0], mrope=lengthened), dims.max_position)
    width = int(dims.head_dim * partial)
    return Tensor(
        name="rotary_emb.cos_sin_cache", shape=(rows, width), shared=f"partial rope {rows} {width}", buffer=True
    )


def _is_sparse(config: ModelConfig, variant: Variant, index: int) -> bool:
    if variant.name != "qwen3_next":
        return bool(variant.experts)
    experts = config.integer("num_experts", default=variant.experts, low=0)
    step = config.integer("decoder_sparse_step", default=1)
    return experts > 0 and index not in config.integers("mlp_only_layers") and (index + 1) % step == 0


def _layer(
    config: ModelConfig, dims: Dimensions, context: BuildContext, variant: Variant, kind: tuple[bool, bool]
) -> Layer:
    full, sparse = kind
    mixer = _attention(config, dims) if full else delta_net(config, dims, context, fused=variant.fused_checkpoint)
    mlp = (
        experts(config, dims, num_experts=variant.experts, top_k=variant.experts_per_token)
        if sparse
        else gated_mlp(hidden_size=dims.hidden_size, intermediate_size=dims.intermediate_size)
    )
    scales = norms(dims.hidden_size, "attn_layer_scale", "ffn_layer_scale") if config.flag("layer_scale") else ()
    table = (
        (partial_table(config, dims, context.vllm_version),) if full else ()
    )  # only on pipeline ranks with full attention
    return layer(mixer, mlp, norms(dims.hidden_size), scales, table)


def _attention(config: ModelConfig, dims: Dimensions) -> Part:
    return gqa(
        hidden_size=dims.hidden_size,
        num_heads=dims.num_attention_heads,
        num_kv_heads=dims.num_key_value_heads,
        head_dim=dims.head_dim,
        qkv_bias=config.flag("qkv_bias"),
        qk_norm="head",
        query_factor=2 if config.flag("attn_output_gate", default=True) else 1,
        cached=config.flag("is_causal", default=True),
    )


def delta_net(config: ModelConfig, dims: Dimensions, context: BuildContext, *, fused: bool) -> Part:
    """The gated delta net of a config with `linear_*` fields."""
    return gated_delta_net(
        hidden_size=dims.hidden_size,
        num_k_heads=config.integer("linear_num_key_heads", default=16),
        num_v_heads=config.integer("linear_num_value_heads", default=32),
        head_k_dim=config.integer("linear_key_head_dim", default=128),
        head_v_dim=config.integer("linear_value_head_dim", default=128),
        conv_kernel=config.integer("linear_conv_kernel_dim", default=4),
        fused_checkpoint=fused,
        float32_decay=not _HALF_DECAY_SINCE <= context.vllm_version < _FLOAT32_DECAY_AGAIN,
        replicated_ba=not (fused or context.elsewhere) and context.quantization in _MARLIN_METHODS,
    )


def experts(config: ModelConfig, dims: Dimensions, *, num_experts: int, top_k: int) -> Part:
    """Routed experts with one gated shared expert."""
    return moe(
        hidden_size=dims.hidden_size,
        num_experts=config.integer("num_experts", default=num_experts),
        intermediate_size=config.integer("moe_intermediate_size", default=512),
        top_k=config.integer("num_experts_per_tok", default=top_k),
        shared_intermediate=config.integer("shared_expert_intermediate_size", default=512, low=0),
        shared_gate=True,
        shared_name="shared_expert",
    )


def adapters() -> Iterable[ArchitectureAdapter]:
    """Qwen3-Next and the text-only Qwen3.5 and 3.6."""
    return [Qwen3Next(variant) for variant in (QWEN3_NEXT, QWEN3_5, QWEN3_5_MOE)]
