"""Nemotron-H and Nemotron 3 (Nano, Super, Ultra): layers of one block each, Mamba-2, attention, MLP or experts.

Source: vLLM 0.32.0 `model_executor/models/nemotron_h.py`; defaults are transformers' NemotronHConfig's.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import (
    Dimensions,
    Part,
    bias_free_linear,
    decoder,
    dimensions,
    gqa,
    layer,
    norm,
    norms,
    plain_mlp,
    routing_method,
    runs_by_kind,
)
from vram.architecture.draft import prediction_layers, shared_embedding
from vram.architecture.state import mamba2
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Experts, Linear, Module, Split, Tensor
from vram.models.record import evolve
from vram.models.spec import Draft, Layer, LayerRun, ModelSpec

#: a layer's letter in `hybrid_override_pattern` by its name in `layers_block_type`
_LETTERS = {
    "mamba": "M", "linear_attention": "M", "mlp": "-", "moe": "E", "attention": "*", "full_attention": "*",
}  # fmt: skip


class NemotronH(ArchitectureAdapter):
    """Nemotron-H and its successors."""

    name = "nemotron_h"
    architectures = ("NemotronHForCausalLM",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        return nemotron_h_text(config, context)

    def draft(self, config: ModelConfig, context: BuildContext) -> Draft:
        """One prediction step of the layers in `mtp_hybrid_override_pattern`. Raises ArchitectureError, ConfigError."""
        prediction_layers(config)
        letters = pattern(config, "mtp_hybrid_override_pattern", "mtp_layers_block_type")
        dims = _dims(config, len(letters))
        fusion: tuple[Module, ...] = (*norms(dims.hidden_size, "enorm", "hnorm"), _fusion(dims))
        runs = tuple(
            LayerRun(
                layer=layer(
                    Part(modules=plain.modules, caches=plain.caches),
                    fusion if index == 0 else (),
                    norms(dims.hidden_size, "final_layernorm") if index == len(letters) - 1 else (),
                ),
                indices=(index,),
                prefix="mtp.layers",
            )
            for index, letter in enumerate(letters)
            for plain in (_layer(config, dims, context, (letter, 0)),)
        )
        return Draft(runs=runs, placed=(shared_embedding(dims.vocab_size, dims.hidden_size),))


def nemotron_h_text(
    config: ModelConfig, context: BuildContext, *, prefix: str = "model", outer: ModelConfig | None = None
) -> ModelSpec:
    """The language model; `prefix` and `outer` are a multimodal wrapper's. Raises ConfigError."""
    letters = pattern(config)
    dims = _dims(config, len(letters))
    kinds = [(letter, letters[:index].count("-") if letter == "-" else 0) for index, letter in enumerate(letters)]
    spec = decoder(
        config,
        dims,
        runs=runs_by_kind(kinds, lambda kind: _layer(config, dims, context, kind), prefix=f"{prefix}.layers"),
        context=context,
        rope="none",
        prefix=prefix,
        max_position_default=4096,
        dtype_config=outer,
        embed_stage="every",
        hints=frozenset({"hybrid"}),
        norm_stage="every",
        head_stage="every",
        renames=(("backbone", "model"),),
    )
    return evolve(spec, state_dtype=config.string("mamba_ssm_cache_dtype", default="float32"))


def _dims(config: ModelConfig, layers: int) -> Dimensions:
    """The standard fields; the number of layers is the pattern's, and vLLM never ties the embeddings."""
    raw = {**config.raw, "num_hidden_layers": layers, "intermediate_size": 1}
    dims = dimensions(evolve(config, raw=raw), head_dim_default=128, max_position_default=4096, kv_heads_default=8)
    return evolve(dims, tie_word_embeddings=False)


def _fusion(dims: Dimensions) -> Linear:
    return bias_free_linear("eh_proj", 2 * dims.hidden_size, dims.hidden_size)


def pattern(config: ModelConfig, name: str = "hybrid_override_pattern", listed: str = "layers_block_type") -> str:
    """One letter per layer: M Mamba-2, * attention, - MLP, E experts. Raises ConfigError."""
    letters = config.string(name)
    if not letters:
        letters = "".join(_LETTERS.get(kind, "?") for kind in config.strings(listed))
    if not letters:
        raise config.error(name, "is missing")
    if set(letters) - set("M-E*"):
        raise config.error(name, "names a kind of layer that is not known")
    return letters


def _layer(config: ModelConfig, dims: Dimensions, context: BuildContext, kind: tuple[str, int]) -> Layer:
    letter, mlp_index = kind
    match letter:
        case "M":
            block = _mamba(config, dims, context)
        case "*":
            block = _attention(config, dims)
        case "-":
            block = plain_mlp(
                hidden_size=dims.hidden_size,
                intermediate_size=_mlp_width(config, mlp_index),
                bias=config.flag("mlp_bias"),
                name="mixer",
                up_name="up_proj",
                down_name="down_proj",
            )
        case _:
            block = latent_experts(config, dims, context)
    return layer(block, norm("norm", dims.hidden_size))


def _mlp_width(config: ModelConfig, index: int) -> int:
    """`intermediate_size`, possibly one number per MLP layer."""
    value = config.get("intermediate_size")
    if isinstance(value, list | tuple):
        widths = config.integers("intermediate_size")
        if not widths:
            raise config.error("intermediate_size", "is empty")
        return widths[0] if len(widths) == 1 else widths[min(index, len(widths) - 1)]
    return config.integer("intermediate_size", default=21504)


def _mamba(config: ModelConfig, dims: Dimensions, context: BuildContext) -> Part:
    heads = config.integer("mamba_num_heads", default=128)
    head_dim = config.integer("mamba_head_dim", default=64)
    return mamba2(
        hidden_size=dims.hidden_size,
        tensor_parallel_size=context.tensor_parallel_size,
        intermediate_size=heads * head_dim,
        num_heads=heads,
        head_dim=head_dim,
        state_size=config.integer("ssm_state_size", default=128),
        n_groups=config.integer("n_groups", default=8),
        conv_kernel=config.integer("conv_kernel", default=4),
        conv_bias=config.flag("use_conv_bias", default=True),
        proj_bias=config.flag("use_bias"),
    )


def _attention(config: ModelConfig, dims: Dimensions) -> Part:
    window = config.integer("sliding_window", default=0, low=0)
    return gqa(
        hidden_size=dims.hidden_size,
        num_heads=dims.num_attention_heads,
        num_kv_heads=dims.num_key_value_heads,
        head_dim=dims.head_dim,
        kind="sliding_window" if window else "full_attention",
        window=window or None,
        name="mixer",
    )


def latent_experts(config: ModelConfig, dims: Dimensions, context: BuildContext, *, name: str = "mixer") -> Part:
    """Experts of two linears without a gate, in a narrower latent space where `moe_latent_size` says so.

    Router (E, H), in fp32 where no kernel computes in fp32 from bf16 weights (all but Hopper and Blackwell data-center
    GPUs, `gate_linear.py`), and its fp32 bias; fc1 (latent, H) and fc2 (H, latent) replicated; shared experts at full width.
    """
    count = config.integer("n_routed_experts", default=8)
    latent = config.integer("moe_latent_size", default=0, low=0)
    bias = config.flag("mlp_bias")
    fp32_kernel = context.compute_capability == (9, 0) or context.compute_capability[0] == 10
    gate_dtype = None if fp32_kernel else "float32"
    modules: list[Module] = [
        evolve(_replicated(f"{name}.gate", dims.hidden_size, count, quantizable=False), dtype=gate_dtype),
        Tensor(name=f"{name}.gate.e_score_correction_bias", shape=(count,), dtype="float32"),
        Experts(
            name=f"{name}.experts",
            num_experts=count,
            hidden_size=latent or dims.hidden_size,
            intermediate_size=config.integer("moe_intermediate_size", default=7688),
            top_k=config.integer("num_experts_per_tok", default=2),
            gated=False,
            activation=f"{config.string('mlp_hidden_act', default='relu2')}_no_mul",
            routing=routing_method(renormalize=config.flag("norm_topk_prob", default=True), biased=True),
            sources=(f"{name}.experts",),
        ),
    ]
    if latent:
        modules.append(_replicated(f"{name}.fc1_latent_proj", dims.hidden_size, latent, bias=bias))
        modules.append(_replicated(f"{name}.fc2_latent_proj", latent, dims.hidden_size, bias=bias))
    shared = config.integer("n_shared_experts", default=1, low=0)
    if shared:
        width = shared * config.integer("moe_shared_expert_intermediate_size", default=7688)
        modules.extend(
            plain_mlp(
                hidden_size=dims.hidden_size,
                intermediate_size=width,
                bias=False,
                name=f"{name}.shared_experts",
                up_name="up_proj",
                down_name="down_proj",
            ).modules
        )
    return Part(modules=tuple(modules))


def _replicated(name: str, inputs: int, outputs: int, *, bias: bool = False, quantizable: bool = True) -> Linear:
    return Linear(
        name=name,
        inputs=inputs,
        outputs=(Split(size=outputs),),
        parallel="replicated",
        bias=bias,
        quantizable=quantizable,
        sources=(name,),
    )


def adapters() -> Iterable[ArchitectureAdapter]:
    """Nemotron-H, Nemotron 3."""
    return [NemotronH()]
