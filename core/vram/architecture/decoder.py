"""From a config's standard fields and a layer builder to a whole decoder."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Literal, TypeVar

from vram.architecture.parts import norm
from vram.architecture.reading import dtype_hints
from vram.dtypes import is_torch_dtype
from vram.models.adapter import BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Embedding, Module, Placed, Stage, Tensor
from vram.models.record import frozen
from vram.models.spec import Encoder, Layer, LayerRun, ModelSpec
from vram.vllm.rope import default_max_model_len, derived_max_model_len, read_ropes, rope_table

K = TypeVar("K", bound=Hashable)
_MAX_LAYERS = 4096  # far beyond any model; a config that says more is broken


@frozen(kw_only=True)
class Dimensions:
    """The fields nearly every decoder config has, under their Hugging Face names."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    intermediate_size: int
    vocab_size: int
    max_position: int
    tie_word_embeddings: bool


def dimensions(
    config: ModelConfig,
    *,
    tie_default: bool = False,
    max_position_default: int = 2048,
    head_dim_default: int | None = None,
    kv_heads_default: int | None = None,
    head_dim_from_config: bool = True,
) -> Dimensions:
    """Read the standard fields; defaults are what transformers' config class of the family fills in.

    Raises ConfigError naming the field that is missing or impossible.
    """
    hidden = config.integer("hidden_size", "n_embd", "d_model")
    heads = config.integer("num_attention_heads", "n_head", "n_heads")
    layers = config.integer("num_hidden_layers", "n_layer", "n_layers", "num_layers")
    if layers > _MAX_LAYERS:
        raise config.error("num_hidden_layers", f"is {layers}, more than any model has")
    if not config.has("head_dim") and head_dim_default is None and hidden % heads:
        raise config.error("num_attention_heads", f"is {heads}, which does not divide hidden_size {hidden}")
    head_dim = head_dim_default or hidden // heads
    if head_dim_from_config:
        head_dim = config.integer("head_dim", default=head_dim)
    kv_heads = config.integer("num_key_value_heads", "num_kv_heads", default=kv_heads_default or heads)
    if heads % kv_heads:
        raise config.error("num_key_value_heads", f"is {kv_heads}, which does not divide num_attention_heads {heads}")
    return Dimensions(
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        head_dim=head_dim,
        intermediate_size=config.integer("intermediate_size", "n_inner", "ffn_dim", default=4 * hidden),
        vocab_size=config.integer("vocab_size"),
        max_position=config.integer("max_position_embeddings", "n_positions", default=max_position_default),
        tie_word_embeddings=config.flag("tie_word_embeddings", default=tie_default),
    )


def runs_by_kind(
    kinds: Sequence[K], build: Callable[[K], Layer], *, prefix: str = "model.layers"
) -> tuple[LayerRun, ...]:
    """One run per distinct kind of layer, in order of first appearance; `build` is called once per kind."""
    places: dict[K, list[int]] = {}
    for index, kind in enumerate(kinds):
        places.setdefault(kind, []).append(index)
    return tuple(LayerRun(layer=build(kind), indices=tuple(at), prefix=prefix) for kind, at in places.items())


def decoder(
    config: ModelConfig,
    dims: Dimensions,
    *,
    runs: tuple[LayerRun, ...],
    context: BuildContext,
    extra: Iterable[tuple[Stage, Module]] = (),
    encoders: tuple[Encoder, ...] = (),
    rope: Iterable[Tensor] | Literal["auto", "none"] = "auto",
    rope_dim: int | None = None,
    norm_bias: bool = False,
    final_norm: bool = True,
    lm_head: bool = True,
    lm_head_bias: bool = False,
    prefix: str = "model",
    max_position_default: int | None = None,
    hints: frozenset[str] = frozenset(),
    dtype_config: ModelConfig | None = None,
    architecture: str | None = None,
    renames: tuple[tuple[str, str], ...] = (),
    assumptions: tuple[str, ...] = (),
    runner: Literal["generate", "pooling"] = "generate",
    embed_stage: Stage = "first",
    norm_stage: Stage = "last",
    embed_columns: int | None = None,
    head_stage: Stage = "last",
) -> ModelSpec:
    """A causal decoder: token embedding, runs of layers, rotary tables, final norm, LM head (tied or not).

    `extra` are further modules with the pipeline ranks that hold them (towers: "every"). `rope` "auto" builds one table
    per rope block of the config over `rope_dim` (default head_dim). `dtype_config` is where `torch_dtype` is read from
    when it is not `config` (a multimodal model's outer config). `embed_stage`, `norm_stage` and `head_stage` are
    "every" where vLLM does not leave them out of the other pipeline ranks. `embed_columns` is the width of embedding and LM
    head where it is not the hidden size (OPT-350M). Raises ConfigError.
    """
    outer = dtype_config or config
    width = embed_columns or dims.hidden_size
    embedding = Embedding(
        name=f"{prefix}.embed_tokens",
        rows=dims.vocab_size,
        columns=width,
        sources=(f"{prefix}.embed_tokens",),
    )
    placed = [
        Placed(
            module=embedding,
            stage="ends" if embed_stage == "first" and dims.tie_word_embeddings and lm_head else embed_stage,
        )
    ]
    tables = _rope_tables(config, dims, rope_dim) if rope == "auto" else () if rope == "none" else tuple(rope)
    placed += [Placed(module=table, stage="every") for table in tables]
    placed += [Placed(module=module, stage=stage) for stage, module in extra]
    if final_norm:
        placed.append(Placed(module=norm(f"{prefix}.norm", dims.hidden_size, bias=norm_bias), stage=norm_stage))
    if lm_head and not dims.tie_word_embeddings:
        head = Embedding(
            name="lm_head",
            rows=dims.vocab_size,
            columns=width,
            bias=lm_head_bias,
            lm_head=True,
            sources=("lm_head",),
        )
        placed.append(Placed(module=head, stage=head_stage))
    derived = derived_max_model_len(config, default_length=max_position_default, version=context.vllm_version)
    return ModelSpec(
        architecture=architecture or outer.architecture,
        dtype=model_dtype(config, outer),
        hidden_size=dims.hidden_size,
        vocab_size=dims.vocab_size,
        num_attention_heads=dims.num_attention_heads,
        max_model_len=default_max_model_len(config, derived, version=context.vllm_version),
        derived_max_model_len=derived,
        num_layers=sum(len(run.indices) for run in runs),
        runs=runs,
        placed=tuple(placed),
        encoders=encoders,
        renames=renames,
        hints=hints | dtype_hints(outer),
        assumptions=assumptions,
        runner=runner,
    )


def _rope_tables(config: ModelConfig, dims: Dimensions, rope_dim: int | None) -> tuple[Tensor, ...]:
    ropes = read_ropes(config) or (None,)
    return tuple(rope_table(rope, head_dim=rope_dim or dims.head_dim, max_position=dims.max_position) for rope in ropes)


def model_dtype(config: ModelConfig, outer: ModelConfig) -> str:
    """The checkpoint's dtype by torch's name; float32 where no config says (as vLLM reads it). Raises ConfigError for another name,
    where transformers finds nothing in torch (`configuration_utils.py`, `getattr(torch, dtype)`).
    """
    for source in (config, outer):
        name = source.string("dtype", "torch_dtype").removeprefix("torch.")
        if name and not is_torch_dtype(name):
            raise source.error("dtype" if source.has("dtype") else "torch_dtype", "is no dtype of torch")
        if name:
            return name
    return "float32"
