"""Dense decoders that differ from Llama by a bias, a norm or a window: Granite, EXAONE, Nemotron, StableLM ..."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from vram.architecture.decoder import Dimensions
from vram.architecture.family import EVERY_RANK, DecoderFamily, Frame, LayerKind, Names
from vram.architecture.parts import Part, norms, of_triton
from vram.architecture.placement import layer_windows
from vram.architecture.positions import layer_rope
from vram.architecture.reading import overridden
from vram.models.adapter import ArchitectureAdapter
from vram.models.config import ModelConfig
from vram.models.parameters import Tensor
from vram_plugins.architectures.llama import Llama


class Granite(DecoderFamily):
    """`granite.py`; with `layer_types` every layer has attention sinks."""

    architectures: tuple[str, ...] = ("GraniteForCausalLM", "GraniteSWAForCausalLM")
    defaults: ClassVar[Mapping[str, object]] = {"max_position_embeddings": 2048}
    qkv_bias = "attention_bias"
    out_bias = "attention_bias"
    mlp_bias = "mlp_bias"
    sinks = "attention_sinks"

    def prepare(self, config: ModelConfig) -> ModelConfig:
        """Sinks come with `layer_types` unless the config says otherwise."""
        return overridden(config, attention_sinks=config.flag("attention_sinks", default=config.has("layer_types")))


class Exaone(Llama):
    """`exaone.py`; GPT-2's names."""

    architectures: tuple[str, ...] = ("ExaoneForCausalLM",)
    asks_causal = False
    names = Names(
        attention="attn.attention",
        out="out_proj",
        up=("c_fc_0", "c_fc_1"),
        down="c_proj",
        norms=("ln_1", "ln_2"),
    )
    frame = Frame(prefix="transformer", layers="transformer.h")


class Exaone4(Llama):
    """`exaone4.py`; norms after attention and feed-forward, three layers of four with a window."""

    architectures: tuple[str, ...] = ("Exaone4ForCausalLM",)
    asks_causal = False
    defaults: ClassVar[Mapping[str, object]] = {
        "num_key_value_heads": 32,
        "sliding_window": 4096,
        "sliding_window_pattern": 4,
    }
    qk_norm = "head"
    names = Names(norms=("post_attention_layernorm", "post_feedforward_layernorm"))

    def windows(self, config: ModelConfig, dims: Dimensions) -> Sequence[int | None]:
        """Every n-th layer is full; the pattern is a number or a word such as "LLLG"."""
        return patterned_windows(config, dims.num_hidden_layers)


class Solar(Llama):
    """`solar.py`."""

    architectures: tuple[str, ...] = ("SolarForCausalLM",)
    asks_causal = False
    defaults: ClassVar[Mapping[str, object]] = {"sliding_window": 2047, "max_position_embeddings": 4096}


class HyperClovaX(Llama):
    """`hyperclovax.py`; with `use_post_norm` two more norms."""

    architectures: tuple[str, ...] = ("HyperCLOVAXForCausalLM",)
    asks_causal = False
    defaults: ClassVar[Mapping[str, object]] = {"use_post_norm": True}

    def norms(self, config: ModelConfig, kind: LayerKind) -> tuple[Tensor, ...]:
        """Two norms, or four."""
        more = norms(kind.dims.hidden_size, "post_norm1", "post_norm2") if config.flag("use_post_norm") else ()
        return (*super().norms(config, kind), *more)


class Ernie45(Llama):
    """`ernie45.py`: a Llama whose output projection never has a bias."""

    architectures: tuple[str, ...] = ("Ernie4_5ForCausalLM", "Ernie4_5_ForCausalLM")
    defaults: ClassVar[Mapping[str, object]] = {
        "head_dim": 128,
        "num_key_value_heads": 2,
        "tie_word_embeddings": True,
        "max_position_embeddings": 131072,
    }
    out_bias = False


class TeleChat2(DecoderFamily):
    """`telechat2.py`: a Llama whose output projections alone have biases; GPT-2's names in the config."""

    architectures: tuple[str, ...] = ("TeleChat2ForCausalLM", "TeleChatForCausalLM")
    asks_causal = True
    out_bias = True
    down_bias = True

    def prepare(self, config: ModelConfig) -> ModelConfig:
        """Width and length under their own names; every head has its own keys and values."""
        return overridden(
            config,
            intermediate_size=config.integer("ffn_hidden_size", "intermediate_size"),
            max_position_embeddings=config.integer("max_position_embeddings", "seq_length", default=2048),
            num_key_value_heads=config.integer("n_head", "num_attention_heads"),
        )


class Plamo3(DecoderFamily):
    """`plamo3.py`; four norms, norms of q and k, an LM head padded to a multiple of its own."""

    architectures: tuple[str, ...] = ("Plamo3ForCausalLM",)
    qk_norm = "head"
    names = Names(
        attention="mixer",
        qkv=("qkv_proj",),
        up=("gate_up_proj",),
        norms=("pre_mixer_norm", "post_mixer_norm", "pre_mlp_norm", "post_mlp_norm"),
    )
    frame = Frame(every_rank=EVERY_RANK, rope="none")

    def attention(self, config: ModelConfig, kind: LayerKind) -> Part:
        """A table by the kind of layer: sliding ones have `rope_local_theta` where the config has no block for them."""
        part = super().attention(config, kind)
        block = config.sub("rope_parameters")
        own = block.sub("sliding_attention" if kind.window else "full_attention") if block else None
        raw = dict((own or block).raw) if block else {"rope_theta": config.number("rope_theta", default=10000.0)}
        if kind.window and own is None:
            raw = {"rope_theta": config.number("rope_local_theta", default=10000.0)}
        table = layer_rope(config, kind.dims, {"rope_type": "default", **raw})
        return Part(modules=(*part.modules, table), caches=part.caches)

    def windows(self, config: ModelConfig, dims: Dimensions) -> Sequence[int | None]:
        """`interleaved_sliding_window`, or a list in `sliding_window`, has one entry per layer."""
        for name in ("interleaved_sliding_window", "sliding_window"):
            windows = config.get(name)
            if isinstance(windows, list) and len(windows) >= dims.num_hidden_layers:
                return [w if isinstance(w, int) and w > 0 else None for w in windows[: dims.num_hidden_layers]]
        return patterned_windows(config, dims.num_hidden_layers)


class InternLM2(DecoderFamily):
    """`internlm2.py`; other names, no biases."""

    architectures: tuple[str, ...] = ("InternLM2ForCausalLM",)
    head_dim_field = False
    names = Names(
        attention="attention",
        qkv=("wqkv",),
        fused_qkv="wqkv",
        out="wo",
        mlp="feed_forward",
        up=("w1", "w3"),
        down="w2",
        norms=("attention_norm", "ffn_norm"),
    )
    frame = Frame(every_rank=EVERY_RANK)


class Orion(DecoderFamily):
    """`orion.py`; norms with bias."""

    architectures: tuple[str, ...] = ("OrionForCausalLM",)
    head_dim_field = False
    norm_bias = True
    frame = Frame(final_norm_bias=True, every_rank=EVERY_RANK)


class Nemotron(Llama):
    """`nemotron.py`; a plain feed-forward network and norms with bias."""

    architectures: tuple[str, ...] = ("NemotronForCausalLM",)
    asks_causal = False
    defaults: ClassVar[Mapping[str, object]] = {"partial_rotary_factor": 0.5, "max_position_embeddings": 4096}
    gated = False
    names = Names(up=("up_proj",))
    norm_bias = True
    frame = Frame(final_norm_bias=True)


class StableLm(DecoderFamily):
    """`stablelm.py`, which leaves `qk_layernorm` out."""

    architectures: tuple[str, ...] = ("StableLmForCausalLM", "StableLMEpochForCausalLM")
    head_dim_field = False
    defaults: ClassVar[Mapping[str, object]] = {"partial_rotary_factor": 0.25, "max_position_embeddings": 4096}
    qkv_bias = "use_qkv_bias"
    norm_bias = True
    frame = Frame(final_norm_bias=True, every_rank=EVERY_RANK)


class Apertus(Llama):
    """`apertus.py`; no gate, norms of q and k per head, an activation (xIELU) with four scalars."""

    architectures: tuple[str, ...] = ("ApertusForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {"max_position_embeddings": 65536}
    gated = False
    qk_norm = "head"
    names = Names(up=("up_proj",), norms=("attention_layernorm", "feedforward_layernorm"))

    def feed_forward(self, config: ModelConfig, kind: LayerKind) -> Part:
        """The network and its activation's alpha_p, alpha_n, beta and eps."""
        part = super().feed_forward(config, kind)
        return Part(modules=(*part.modules, Tensor(name="mlp.act_fn", shape=(4,))))


class Step1(Llama):
    """`step1.py`; linear position biases, `num_attention_groups` heads of keys and values."""

    architectures: tuple[str, ...] = ("Step1ForCausalLM",)
    asks_causal = False
    frame = Frame(rope="none")

    def prepare(self, config: ModelConfig) -> ModelConfig:
        """`num_attention_groups` are the heads of keys and values, `max_seq_len` the length."""
        bias = config.flag("attention_bias")
        groups = config.integer(
            "num_attention_groups", "num_key_value_heads", default=config.integer("num_attention_heads")
        )
        return overridden(config, num_key_value_heads=groups, attention_bias=bias, qkv_bias=bias)

    def attention(self, config: ModelConfig, kind: LayerKind) -> Part:
        """Its position biases are square roots, which Triton's backend alone knows (`step1.py:StepAttention`)."""
        return of_triton(super().attention(config, kind), "use_alibi_sqrt")


def patterned_windows(config: ModelConfig, layers: int) -> Sequence[int | None]:
    """Windows by `sliding_window_pattern`: n (every n-th layer is full) or a word of L and G, the last layer being G."""
    pattern = config.get("sliding_window_pattern")
    if isinstance(pattern, str) and pattern:
        return layer_windows(
            config, layers, absent=lambda i: i != layers - 1 and pattern[i % len(pattern)].upper() == "L"
        )
    n = config.integer("sliding_window_pattern", default=0, low=0)
    return layer_windows(config, layers, absent=lambda i: n > 0 and (i + 1) % n != 0)


def adapters() -> Iterable[ArchitectureAdapter]:
    """Llama's kin."""
    families: tuple[type[DecoderFamily], ...] = (
        Granite,
        Exaone,
        Exaone4,
        Solar,
        HyperClovaX,
        Ernie45,
        TeleChat2,
        Plamo3,
        InternLM2,
        Orion,
        Nemotron,
        StableLm,
        Apertus,
        Step1,
    )
    return [family() for family in families]
