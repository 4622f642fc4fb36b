"""Which layers of a decoder look through a window, and which have experts: rules that read a config.

Sources: vLLM 0.32.0 `engine/arg_utils.py:create_engine_config` (the window of all layers), `attention/attention.py`
(the window of one), the `configuration_*.py` of transformers 5.19 (what an absent `layer_types` means).
"""

from __future__ import annotations

from collections.abc import Callable

from vram.errors import ArchitectureError
from vram.models.config import ModelConfig

#: whether layer `index` is a sliding-window one
SlidingRule = Callable[[int], bool]

_FULL = frozenset({"full_attention", "global_attention", "attention", "global", "full"})
_SLIDING = frozenset({"sliding_attention", "sliding_window", "local_attention", "local", "sliding"})


def every_nth_full(n: int) -> SlidingRule:
    """Sliding but for every n-th layer (the n-th, 2n-th ...); none slides for n < 2."""
    return lambda index: n > 0 and (index + 1) % n != 0


def even_slide(index: int) -> bool:
    """Layers 0, 2, 4 ... slide."""
    return index % 2 == 0


def none_slides(index: int) -> bool:
    """No layer slides."""
    del index
    return False


def layer_windows(config: ModelConfig, layers: int, *, absent: SlidingRule | None = None) -> tuple[int | None, ...]:
    """The window of each layer in tokens, None for full attention.

    `layer_types` decides; without it `absent`, and without that every layer has `sliding_window` where there is one.
    A window of 0 is none. Raises ConfigError, ArchitectureError on a layer type that is no attention.
    """
    window = config.integer("sliding_window", default=0, low=0) or None
    types = attention_types(config, layers)
    if types is None and absent is None:
        return (window,) * layers
    slides = [absent(i) for i in range(layers)] if types is None and absent else [t == "sliding" for t in types or ()]
    return tuple(window if slide else None for slide in slides)


def attention_types(config: ModelConfig, layers: int) -> tuple[str, ...] | None:
    """`layer_types` as "sliding" or "full" per layer, None where absent.

    Raises ConfigError when it is too short, ArchitectureError on a type that is no attention with keys per head.
    """
    if not config.has("layer_types"):
        return None
    names = config.strings("layer_types")
    if len(names) < layers:
        raise config.error("layer_types", f"has {len(names)} entries for {layers} layers")
    unknown = sorted(set(names) - _FULL - _SLIDING)
    if unknown:
        architecture = ", ".join(config.strings("architectures")) or config.string("model_type") or "unknown"
        raise ArchitectureError(
            architecture=architecture, problem=f"has layers of type {unknown[0][:40]!r}, which are not known"
        )
    return tuple("sliding" if name in _SLIDING else "full" for name in names[:layers])


def expert_layers(config: ModelConfig, layers: int, *, dense_first: int = 0) -> tuple[bool, ...]:
    """Whether each layer has experts.

    `mlp_layer_types` decides where it is given; else the dense layers first (`first_k_dense_replace`,
    `num_dense_layers`, or `dense_first`), then every `moe_layer_freq`-th or `decoder_sparse_step`-th layer, but for
    `mlp_only_layers`. Raises ConfigError.
    """
    if config.has("mlp_layer_types"):
        names = config.strings("mlp_layer_types")
        if len(names) < layers:
            raise config.error("mlp_layer_types", f"has {len(names)} entries for {layers} layers")
        return tuple(name == "sparse" for name in names[:layers])
    if isinstance(config.get("moe_layer_freq"), list | tuple):
        places = config.integers("moe_layer_freq")
        if len(places) < layers:
            raise config.error("moe_layer_freq", f"has {len(places)} entries for {layers} layers")
        return tuple(bool(place) for place in places[:layers])
    first = config.integer("first_k_dense_replace", "num_dense_layers", default=dense_first, low=0)
    frequency = config.integer("moe_layer_freq", default=1)
    step = config.integer("decoder_sparse_step", default=1)
    only_mlp = frozenset(config.integers("mlp_only_layers"))
    return tuple(i >= first and i % frequency == 0 and (i + 1) % step == 0 and i not in only_mlp for i in range(layers))
