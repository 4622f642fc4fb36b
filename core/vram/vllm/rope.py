"""Rotary position tables as vLLM builds them, and the context length it derives from a config.

Sources: vLLM 0.32.0 `model_executor/layers/rotary_embedding/__init__.py:get_rope` and the classes it picks,
`config/model.py:_get_and_verify_max_len`, `transformers_utils/model_arch_config_convertor.py`.
"""

from __future__ import annotations

from vram.models.config import ModelConfig
from vram.models.parameters import Tensor
from vram.models.record import frozen
from vram.vllm.versions import NEWEST, Version

#: config fields that may state a maximum length; the smallest one counts
_LENGTH_FIELDS = (
    "max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "model_max_length",
    "max_target_positions", "max_sequence_length", "max_seq_length", "seq_len",
)  # fmt: skip
#: rope types whose factor is already in max_position_embeddings; YaRN's only since 0.30
_LENGTH_INCLUDES_FACTOR = frozenset({"longrope", "llama3"})
_YARNS = frozenset({"yarn", "deepseek_yarn", "deepseek_llama_scaling"})
_YARNS_INCLUDE_FACTOR_SINCE = (0, 30, 0)
#: what vLLM takes where no field states a length, and then allows: any
_FALLBACK_LENGTH, ANY_LENGTH = 2048, 2**24
#: fields outside a block that say something about a rotary embedding
_ROPE_FIELDS = ("rope_theta", "rotary_emb_base", "partial_rotary_factor", "rotary_pct", "rotary_emb_fraction")


@frozen(kw_only=True)
class Rope:
    """One rope_parameters block: its type and what decides the size of its table.

    Two blocks that differ in `theta` alone make two tables. `positions_factor` lengthens the table of multimodal positions
    (`mrope.py`; Qwen3-VL and later ask for 1 since 0.32).
    """

    kind: str
    factor: float
    original_max_position: int | None
    partial: float
    mrope: bool
    dim: int | None = None
    positions_factor: int = 4
    theta: float = 10000.0


def read_ropes(config: ModelConfig) -> tuple[Rope, ...]:
    """The rope blocks of a config: `rope_parameters` (possibly one per layer type) or `rope_scaling`.

    Empty when the config has neither a block nor a `rope_theta`. Raises ConfigError.
    """
    block = config.sub("rope_parameters") or config.sub("rope_scaling")
    if block is None:
        return (_read(config, config),) if config.has(*_ROPE_FIELDS) else ()
    # one block per layer type, null for a type without rotary positions
    if not block.has("rope_type", "type") and block.raw and all(isinstance(v, dict | None) for v in block.raw.values()):
        return tuple(_read(nested, config) for name in block.raw if (nested := block.sub(name)) and nested.raw)
    return (_read(block, config),)


def _read(block: ModelConfig, config: ModelConfig) -> Rope:
    legacy = block is config
    kind = "default" if legacy else block.string("rope_type", "type", default="default")
    mrope = False if legacy else block.has("mrope_section")
    if kind == "mrope":
        kind, mrope = "default", True
    original = 0 if legacy else block.integer("original_max_position_embeddings", default=0, low=0)
    theta = config.number("rope_theta", "rotary_emb_base", default=10000.0)
    partial = config.number("partial_rotary_factor", "rotary_pct", "rotary_emb_fraction", default=1.0)
    return Rope(
        kind="longrope" if kind == "su" else kind,
        factor=1.0 if legacy else block.number("factor", default=1.0),
        original_max_position=original or config.integer("original_max_position_embeddings", default=0, low=0) or None,
        partial=partial if legacy else block.number("partial_rotary_factor", default=partial),
        mrope=mrope or config.has("mrope_section"),
        dim=None if legacy else (block.integer("rope_dim", default=0, low=0) or None),
        positions_factor=4 if legacy else block.integer("mrope_positions_factor", default=4),
        theta=theta if legacy else block.number("rope_theta", default=theta),
    )


def table_positions(rope: Rope, max_position: int) -> int:
    """Rows of the cos/sin table."""
    original = rope.original_max_position or max_position
    match rope.kind:
        case "yarn" if rope.mrope:
            return original * rope.positions_factor
        case "yarn" | "deepseek_yarn" | "deepseek_llama_scaling":
            return int(original * rope.factor)
        case "linear":
            return int(max_position * rope.factor)
        case "longrope":
            return original + max_position
        case _:
            return max_position * rope.positions_factor if rope.mrope else max_position


def rope_table(rope: Rope | None, *, head_dim: int, max_position: int, dtype: str | None = None) -> Tensor:
    """The cos/sin table of one rotary embedding, shared by all layers with the same arguments.

    Shape (positions, rotary_dim), in the model's dtype; fp32 for the DeepSeek variants
    (`deepseek_scaling_rope.py`).
    """
    rope = rope or Rope(kind="default", factor=1.0, original_max_position=None, partial=1.0, mrope=False)
    rotary_dim = rope.dim or int(head_dim * rope.partial)
    rotary_dim += rotary_dim % 2  # one angle per started pair, each with a cosine and a sine
    positions = table_positions(rope, max_position)
    if rope.kind in {"deepseek_yarn", "deepseek_llama_scaling"}:
        dtype = "float32"
    return Tensor(
        name="rotary_emb.cos_sin_cache",
        shape=(positions, rotary_dim),
        dtype=dtype,
        shared=f"rope {rope} {head_dim} {max_position} {dtype}",
        buffer=True,
    )


def derived_max_model_len(config: ModelConfig, *, default_length: int | None = None, version: Version = NEWEST) -> int:
    """The longest context vLLM allows for a (text) config, before the user's `--max-model-len`.

    `default_length` is what transformers' config class fills in where the file is silent. To 0.29 YaRN's length is the
    original one × its factor. Raises ConfigError.
    """
    lengths = [config.integer(name) for name in _LENGTH_FIELDS if config.has(name)]
    if not config.has("max_position_embeddings") and default_length is not None:
        lengths.append(default_length)
    length = config.integer("model_max_length") if config.has("model_max_length") else min(lengths, default=ANY_LENGTH)
    if "gemma3" in config.string("model_type"):
        return length
    factor = 1.0
    for rope in read_ropes(config):
        if rope.kind in _LENGTH_INCLUDES_FACTOR or (rope.kind in _YARNS and version >= _YARNS_INCLUDE_FACTOR_SINCE):
            continue
        factor = rope.factor
        if rope.kind == "yarn":
            length = rope.original_max_position or length
    return int(length * factor)


def default_max_model_len(config: ModelConfig, derived: int, *, version: Version = NEWEST) -> int:
    """What vLLM takes when the user gives none: the derived length, or (since 0.11.1) LongRoPE's original one."""
    if version >= (0, 11, 1) and any(rope.kind == "longrope" for rope in read_ropes(config)):
        return config.integer("original_max_position_embeddings", default=derived)
    return _FALLBACK_LENGTH if derived == ANY_LENGTH else derived
