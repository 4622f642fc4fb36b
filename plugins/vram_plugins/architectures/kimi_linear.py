"""Kimi-Linear and the language model of Kimi K3: Kimi delta attention with latent attention now and then.

Source: vLLM 0.32.0 `models/kimi_k3/nvidia/model.py`, `mla.py`, `kda.py`; `transformers_utils/configs/kimi_linear.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import Dimensions, Part, decoder, dimensions, gated_mlp, layer, moe, norm, norms, runs_by_kind
from vram.architecture.draft import Predictor, prediction_layers
from vram.architecture.latent import mla
from vram.architecture.linear_state import kda
from vram.architecture.reading import needed_section
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Experts, Linear, Module, Split, Stage, Tensor
from vram.models.record import evolve
from vram.models.spec import Draft, Layer, ModelSpec

_PADDED_SINCE = (0, 28, 0)  # experts padded per rank; before, `models/kimi_linear.py`
_LEAST_EXPERT_WIDTH = 256
#: `kimi_k3/nvidia/kda.py:is_fused_kda_decode_supported`, `is_flashkda_supported`: on Hopper and Blackwell, heads of 128,
#: convolutions of 4, so many heads on a rank (bfloat16 and no speculation are taken for granted)
_FUSED_ON, _FUSED_SIZE, _FUSED_KERNEL, _FUSED_HEADS = (9, 10, 12), 128, 4, (12, 24, 48, 96)
_CHECKPOINTS_SINCE = (0, 30, 0)  # FlashKDA leaves a copy of the state in a prefill


class KimiLinear(ArchitectureAdapter):
    """Layers are (delta or latent attention) × (experts or a dense MLP)."""

    name = "kimi_linear"
    architectures = ("KimiLinearForCausalLM",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        dims = _dims(config)
        delta = _delta_layers(config)
        kinds = [(index in delta, _is_sparse(config, index)) for index in range(dims.num_hidden_layers)]
        extra: list[tuple[Stage, Module]] = []
        if config.has("attn_res_block_size"):
            extra = [("last", module) for module in _residual("output_attn_res", dims)]
        return decoder(
            config,
            dims,
            runs=runs_by_kind(kinds, lambda kind: _layer(config, dims, context, delta=kind[0], sparse=kind[1])),
            context=context,
            extra=extra,
            rope="none",
            max_position_default=4096,
            hints=frozenset({"latent_attention"}),
        )

    def draft(self, config: ModelConfig, context: BuildContext) -> Draft:
        """Prediction layers of latent attention and experts (`kimi_k3/nvidia/mtp.py`)."""
        count = prediction_layers(config)
        dims = _dims(config)
        block = _layer(
            ModelConfig(raw={**config.raw, "attn_res_block_size": None}, path=config.path, section=config.section),
            dims,
            context,
            delta=False,
            sparse=config.has("num_experts"),
        )
        return Predictor().layers(
            block,
            hidden_size=dims.hidden_size,
            vocab_size=dims.vocab_size,
            after=dims.num_hidden_layers,
            count=count,
        )


def _dims(config: ModelConfig) -> Dimensions:
    dims = dimensions(config, max_position_default=4096, head_dim_default=64, head_dim_from_config=False)
    return evolve(dims, tie_word_embeddings=False)  # vLLM does not ask


def _delta_layers(config: ModelConfig) -> frozenset[int]:
    """Positions of delta-attention layers; the config counts from 1."""
    section = config.sub("linear_attn_config")
    return frozenset(place - 1 for place in section.integers("kda_layers")) if section else frozenset()


def _is_sparse(config: ModelConfig, index: int) -> bool:
    if not config.has("num_experts"):
        return False
    first = config.integer("first_k_dense_replace", default=0, low=0)
    return index >= first and index % config.integer("moe_layer_freq", default=1) == 0


def _layer(config: ModelConfig, dims: Dimensions, context: BuildContext, *, delta: bool, sparse: bool) -> Layer:
    mixer = _delta(config, dims, context) if delta else _latent(config, dims)
    mlp = (
        _experts(config, dims, context)
        if sparse
        else gated_mlp(hidden_size=dims.hidden_size, intermediate_size=dims.intermediate_size)
    )
    residuals: tuple[Module, ...] = ()
    if config.has("attn_res_block_size"):
        residuals = (*_residual("self_attention_res", dims), *_residual("mlp_res", dims))
    return layer(mixer, mlp, norms(dims.hidden_size), residuals)


def _residual(name: str, dims: Dimensions) -> tuple[Module, ...]:
    """Attention over earlier blocks' residuals (Kimi K3): a norm and a (1, H) projection."""
    score = Linear(
        name=f"{name}_proj",
        inputs=dims.hidden_size,
        outputs=(Split(size=1),),
        parallel="replicated",
        quantizable=False,
    )
    return norm(f"{name}_norm", dims.hidden_size), score


def _delta(config: ModelConfig, dims: Dimensions, context: BuildContext) -> Part:
    section = needed_section(config, "linear_attn_config")
    heads, size, kernel = (section.integer(key) for key in ("num_heads", "head_dim", "short_conv_kernel_size"))
    full, kernels = section.flag("use_full_rank_gate"), context.compute_capability[0] in _FUSED_ON
    fused = (size, kernel) == (_FUSED_SIZE, _FUSED_KERNEL) and heads // context.tensor_parallel_size in _FUSED_HEADS
    # FlashKDA needs a bounded gate (`models/kimi_k3/nvidia/kda.py:is_flashkda_supported`, 0.30 and later)
    flash_kda = section.has("gate_lower_bound") and size == _FUSED_SIZE and kernels
    return kda(
        hidden_size=dims.hidden_size,
        num_heads=heads,
        head_dim=size,
        conv_kernel=kernel,
        tensor_parallel_size=context.tensor_parallel_size,
        full_rank_gate=full,
        fused_decode=full and kernels and fused,
        checkpoints=flash_kda and context.vllm_version >= _CHECKPOINTS_SINCE,
    )


def _latent(config: ModelConfig, dims: Dimensions) -> Part:
    part = mla(
        hidden_size=dims.hidden_size,
        num_heads=dims.num_attention_heads,
        q_lora_rank=config.integer("q_lora_rank", default=0, low=0),
        kv_lora_rank=config.integer("kv_lora_rank"),
        qk_nope_head_dim=config.integer("qk_nope_head_dim"),
        qk_rope_head_dim=config.integer("qk_rope_head_dim"),
        v_head_dim=config.integer("v_head_dim"),
        output_gate=config.flag("mla_use_output_gate"),
    )
    one = Tensor(name="self_attn.one_scale", shape=(1,), dtype="float32", buffer=True)
    return evolve(part, modules=(*part.modules, one))


def _experts(config: ModelConfig, dims: Dimensions, context: BuildContext) -> Part:
    """Routed and shared experts; Kimi K3's routed ones work in a narrower space of `routed_expert_hidden_size`."""
    latent = config.integer("routed_expert_hidden_size", default=0, low=0)
    width = config.integer("moe_intermediate_size")
    part = moe(
        hidden_size=dims.hidden_size,
        num_experts=config.integer("num_experts"),
        intermediate_size=width,
        top_k=config.integer("num_experts_per_token", default=8),
        name="block_sparse_moe",
        correction_bias=True,
        shared_intermediate=config.integer("num_shared_experts", default=0, low=0) * width,
    )
    least = config.integer("min_moe_intermediate_per_partition", default=_LEAST_EXPERT_WIDTH)
    modules: list[Module] = [
        evolve(
            module,
            hidden_size=latent or dims.hidden_size,
            least_width=least if context.vllm_version >= _PADDED_SINCE else 0,
        )
        if isinstance(module, Experts)
        else module
        for module in part.modules
    ]
    if latent:
        modules.append(_replicated("block_sparse_moe.routed_expert_down_proj", dims.hidden_size, latent))
        up = _replicated("block_sparse_moe.routed_expert_up_proj", latent, dims.hidden_size)
        modules.append(evolve(up, parallel="column") if _shards_latent_up(config, dims, context) else up)
        if config.flag("latent_moe_use_norm"):
            modules.append(norm("block_sparse_moe.routed_expert_norm", latent))
    return Part(modules=tuple(modules))


def _shards_latent_up(config: ModelConfig, dims: Dimensions, context: BuildContext) -> bool:
    """Whether ranks divide the way up from the narrower space, as `kimi_k3/amd/linear.py` does (0.33.0)."""
    plain = config.number("routed_scaling_factor", default=1.0) == 1.0
    shared = config.integer("num_shared_experts", default=0, low=0)
    return (
        bool(shared)
        and plain
        and context.has("sharded_latent_up")
        and not dims.hidden_size % context.tensor_parallel_size
    )


def _replicated(name: str, inputs: int, outputs: int) -> Linear:
    return Linear(name=name, inputs=inputs, outputs=(Split(size=outputs),), parallel="replicated", sources=(name,))


def adapters() -> Iterable[ArchitectureAdapter]:
    """Kimi-Linear, Kimi K3's language model."""
    return [KimiLinear()]
