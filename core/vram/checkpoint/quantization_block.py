"""Where a checkpoint keeps its quantization block, brought to one place."""

from __future__ import annotations

from collections.abc import Mapping

from vram.errors import CheckpointError
from vram.models.config import ModelConfig

#: ModelOpt's file beside config.json (its versions before 0.31 wrote nothing else)
MODELOPT_FILE = "hf_quant_config.json"


def block_of(config: ModelConfig) -> Mapping[str, object]:
    """`quantization_config` of the config or of its language model, else `compression_config`; empty if none.

    The order is vLLM's (`model_executor/model_loader/weight_utils.py:get_quant_config`, 0.33.0). Raises
    ConfigError when it is no object.
    """
    found = config.sub("quantization_config") or config.text().sub("quantization_config")
    found = found or config.sub("compression_config")
    return {} if found is None else found.raw


def needs_modelopt_file(block: Mapping[str, object]) -> bool:
    """Whether vLLM would read hf_quant_config.json: no block, or a mixed one without its layers."""
    if not block:
        return True
    method, algorithm = block.get("quant_method"), block.get("quant_algo")
    return method == "modelopt" and str(algorithm).upper() == "MIXED_PRECISION" and "quantized_layers" not in block


def with_modelopt_file(block: Mapping[str, object], file: Mapping[str, object], path: str) -> dict[str, object]:
    """hf_quant_config.json as the block ModelOpt writes into config.json since 0.31. Raises CheckpointError.

    {"producer", "quantization": {"quant_algo", "kv_cache_quant_algo", "exclude_modules" ...}} becomes
    {"quant_method": "modelopt", "quant_algo", "kv_cache_scheme", "ignore" ...} (vLLM reads both:
    `layers/quantization/modelopt.py:from_config`). What config.json says itself stays.
    """
    inner = file.get("quantization", file)
    if not isinstance(inner, Mapping) or not isinstance(inner.get("quant_algo"), str | None):
        raise CheckpointError(path=path, problem="has no quantization block with a quant_algo")
    if not inner.get("quant_algo"):  # ModelOpt writes the file with null where only the KV cache was calibrated
        return dict(block)
    producer = file.get("producer")
    flat: dict[str, object] = {**inner, "read_from": MODELOPT_FILE, "producer": producer}
    named = isinstance(producer, Mapping) and producer.get("name") == "modelopt"
    if named or "modelopt_quant_config" in inner:
        flat["quant_method"] = (
            "modelopt"  # without it vLLM takes the model as unquantized (`_normalize_quantization_config`)
        )
    if "exclude_modules" in inner:
        flat.setdefault("ignore", inner["exclude_modules"])
    if str(inner.get("kv_cache_quant_algo", "")).upper() == "FP8":
        flat.setdefault("kv_cache_scheme", {"type": "float", "num_bits": 8, "dynamic": False})
    return {**flat, **block}
