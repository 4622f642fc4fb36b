"""NVIDIA's pruned Llamas (DeciLM, Llama-3.3-Nemotron-Super): every layer has dimensions of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vram.architecture.decoder import Dimensions
from vram.architecture.family import LayerKind
from vram.architecture.parts import Part, norms
from vram.models.adapter import ArchitectureAdapter
from vram.models.config import ModelConfig
from vram.models.parameters import Tensor
from vram.models.record import evolve
from vram_plugins.architectures.llama import Llama

_NO_ATTENTION = "no attention"
_NO_MLP = "no mlp"


class NemotronNas(Llama):
    """vLLM 0.32.0 `nemotron_nas.py`; `block_configs` says for each layer what it has."""

    architectures: tuple[str, ...] = ("DeciLMForCausalLM",)

    def dimensions(self, config: ModelConfig) -> Dimensions:
        """Heads of keys and values are the blocks' affair; here as many as heads."""
        return evolve(super().dimensions(config), num_key_value_heads=config.integer("num_attention_heads"))

    def kinds(self, config: ModelConfig, dims: Dimensions) -> Sequence[LayerKind]:
        """One block per layer. Raises ConfigError when a block says too little."""
        blocks = config.items("block_configs")
        if len(blocks) < dims.num_hidden_layers:
            kinds = [LayerKind(dims=_seven_billion(config, dims, i)) for i in range(dims.num_hidden_layers)]
        else:
            kinds = [_kind(config, dims, index, blocks[index]) for index in range(dims.num_hidden_layers)]
        windows = self.windows(config, dims)
        return [evolve(kind, window=window) for kind, window in zip(kinds, windows, strict=True)]

    def attention(self, config: ModelConfig, kind: LayerKind) -> Part:
        """Attention, or nothing."""
        return Part() if _NO_ATTENTION in kind.variant else super().attention(config, kind)

    def feed_forward(self, config: ModelConfig, kind: LayerKind) -> Part:
        """The feed-forward network, or nothing."""
        return Part() if _NO_MLP in kind.variant else super().feed_forward(config, kind)

    def norms(self, config: ModelConfig, kind: LayerKind) -> tuple[Tensor, ...]:
        """A norm before what there is."""
        del config
        names = []
        if _NO_ATTENTION not in kind.variant:
            names.append("input_layernorm")
        if _NO_MLP not in kind.variant:
            names.append("post_attention_layernorm")
        return norms(kind.dims.hidden_size, *names) if names else ()


def _kind(config: ModelConfig, dims: Dimensions, index: int, block: object) -> LayerKind:
    if not isinstance(block, dict):
        raise config.error("block_configs", f"entry {index} must be an object")
    section = ModelConfig(raw=block, path=config.path, section=f"{config.section}block_configs[{index}].")
    attention, ffn = section.sub("attention"), section.sub("ffn")
    if attention is None or ffn is None:
        raise section.error("attention" if attention is None else "ffn", "is missing")
    variant = []
    if attention.flag("no_op"):
        variant.append(_NO_ATTENTION)
    else:
        group = attention.integer("n_heads_in_group")
        if dims.num_attention_heads % group:
            raise attention.error(
                "n_heads_in_group", f"is {group}, which does not divide {dims.num_attention_heads} heads"
            )
        dims = evolve(dims, num_key_value_heads=dims.num_attention_heads // group)
    if ffn.flag("no_op"):
        variant.append(_NO_MLP)
    else:
        dims = evolve(dims, intermediate_size=_width(ffn, dims.hidden_size))
    return LayerKind(dims=dims, variant=", ".join(variant))


def _width(ffn: ModelConfig, hidden_size: int) -> int:
    """`ffn_mult` of two thirds of twice the width, rounded up to 256 (`_ffn_mult_to_intermediate_size`)."""
    if not ffn.has("ffn_mult"):
        return ffn.integer("intermediate_size")
    width = int(2 * ffn.number("ffn_mult") * hidden_size / 3)
    if width < 1:
        raise ffn.error("ffn_mult", "is too small")
    return -(-width // 256) * 256


def _seven_billion(config: ModelConfig, dims: Dimensions, index: int) -> Dimensions:
    """DeciLM-7B, an ordinary Llama but for `num_key_value_heads_per_layer`. Raises ConfigError."""
    heads = config.integers("num_key_value_heads_per_layer")
    if index >= len(heads) or heads[index] < 1 or dims.num_attention_heads % heads[index]:
        raise config.error("block_configs", "is missing or shorter than the model")
    return evolve(dims, num_key_value_heads=heads[index])


def adapters() -> Iterable[ArchitectureAdapter]:
    """DeciLM and Nemotron Super."""
    return [NemotronNas()]
