"""A model nobody has files of: dimensions given by hand."""

from __future__ import annotations

from vram.errors import InputError
from vram.models.checkpoint import Checkpoint, ManualModel
from vram.models.config import ModelConfig

_BILLION = 10**9
_GIB = 2**30
_MAX_BILLIONS = 100_000  # forty times the largest model published
_MAX_VISION_GIB = 1024

#: how large each dimension may be and still be one; all are far above any published model
_LIMITS = {
    "layers": 2_000, "attention_heads": 4_096, "kv_heads": 4_096, "head_dim": 8_192, "hidden_size": 1_048_576,
    "intermediate_size": 4_194_304, "vocab_size": 16_777_216, "experts": 65_536, "experts_per_token": 65_536,
    "max_model_len": 1_000_000_000,
}  # fmt: skip

#: the config.json field of each dimension, for readers that know configs
_CONFIG_NAMES = {
    "layers": "num_hidden_layers", "attention_heads": "num_attention_heads", "kv_heads": "num_key_value_heads",
    "head_dim": "head_dim", "hidden_size": "hidden_size", "intermediate_size": "intermediate_size",
    "vocab_size": "vocab_size", "experts": "num_experts", "experts_per_token": "num_experts_per_tok",
    "max_model_len": "max_position_embeddings",
}  # fmt: skip


def manual_checkpoint(
    *,
    params_billion: float,
    layers: int | None = None,
    attention_heads: int | None = None,
    kv_heads: int | None = None,
    head_dim: int | None = None,
    hidden_size: int | None = None,
    intermediate_size: int | None = None,
    vocab_size: int | None = None,
    experts: int | None = None,
    experts_per_token: int | None = None,
    max_model_len: int | None = None,
    quantization: str | None = None,
    dtype: str | None = None,
    vision_gib: float = 0.0,
) -> Checkpoint:
    """A Checkpoint with source "manual" and the numbers in its `manual`. Nothing is filled in but `head_dim`.

    `head_dim` follows from `hidden_size` and `attention_heads` where both are given and divide, as in
    transformers. `vision_gib` is a tower's memory in GiB. Raises InputError on numbers that cannot be a model's.
    """
    given = {
        "layers": layers, "attention_heads": attention_heads, "kv_heads": kv_heads, "head_dim": head_dim,
        "hidden_size": hidden_size, "intermediate_size": intermediate_size, "vocab_size": vocab_size,
        "experts": experts, "experts_per_token": experts_per_token, "max_model_len": max_model_len,
    }  # fmt: skip
    known = {name: value for name, value in given.items() if value is not None}
    for name, value in known.items():
        _check_integer(name, value)
    _check_number("params-billion", params_billion, _MAX_BILLIONS, zero=False)
    _check_number("vision-gib", vision_gib, _MAX_VISION_GIB, zero=True)
    if "head_dim" not in known and hidden_size and attention_heads and hidden_size % attention_heads == 0:
        known["head_dim"] = hidden_size // attention_heads
    parameters = max(1, round(params_billion * _BILLION))
    _check_agreement(known, parameters)
    size = f"{params_billion:g}B"
    config = {_CONFIG_NAMES[name]: value for name, value in known.items()}
    if dtype:
        config["dtype"] = dtype  # type: ignore[assignment]
    return Checkpoint(
        id=f"{size} by hand",
        source="manual",
        config=ModelConfig(raw=config, path="the dimensions given"),
        quantization={"quant_method": quantization} if quantization else {},
        parameters=parameters,
        notes=(f"Dimensions of {size} were given by hand; shapes beyond them are not known.",),
        manual=ManualModel(
            parameters=parameters,
            quantization=quantization,
            dtype=dtype,
            vision_bytes=round(vision_gib * _GIB),
            **known,
        ),
    )


def _check_integer(name: str, value: object) -> None:
    flag = name.replace("_", "-")
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError(name=flag, value=str(value)[:40], problem="must be an integer")
    if not 1 <= value <= _LIMITS[name]:
        raise InputError(name=flag, value=value, problem=f"must be between 1 and {_LIMITS[name]:,}")


def _check_number(name: str, value: object, high: int, *, zero: bool) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or str(value) == "nan":
        raise InputError(name=name, value=str(value)[:40], problem="must be a number")
    if value < 0 or value > high or (value == 0 and not zero):
        least = "at least" if zero else "more than"
        raise InputError(name=name, value=str(value)[:40], problem=f"must be {least} 0 and at most {high:,}")


def _check_agreement(known: dict[str, int], parameters: int) -> None:
    """Dimensions that contradict each other or the number of parameters. Raises InputError."""
    for small, large in (("kv_heads", "attention_heads"), ("experts_per_token", "experts")):
        if known.get(small, 0) > known.get(large, known.get(small, 0)):
            raise InputError(
                name=small.replace("_", "-"), value=known[small], problem=f"must not exceed {large} = {known[large]:,}"
            )
    if "experts_per_token" in known and "experts" not in known:
        raise InputError(name="experts-per-token", value=known["experts_per_token"], problem="needs --experts too")
    least = known.get("vocab_size", 0) * known.get("hidden_size", 0)
    if least > parameters:
        problem = f"is less than the vocabulary times the hidden size alone ({least / _BILLION:.2f} billion)"
        raise InputError(name="params-billion", value=parameters / _BILLION, problem=problem)
