"""Speech recognition by an encoder of its own beside a plain Qwen: FireRedASR 2 and Fun-ASR.

Sources: vLLM 0.33.0 `fireredasr2.py`, `conformer_encoder.py`, `funasr.py`. The outer config is the language model's.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import norm
from vram.architecture.reading import needed_section
from vram.architecture.towers import convolution, dense, multimodal, under
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Linear, Module, Placed, Split, Tensor
from vram.models.record import evolve
from vram.models.spec import Encoder, ModelSpec
from vram_plugins.architectures.language import text_spec

_AUDIO = ("audio",)
_FRAMES = 3000  # of thirty seconds
_CHANNELS = 32
_FUN_INPUT = 560  # seven stacked frames of 80 bands
_FUN_ENCODER, _FUN_MIDDLE, _FUN_OUTPUT, _FUN_HEADS = 512, 2048, 1024, 8


class FireRedAsr2(ArchitectureAdapter):
    """A Conformer whole on every rank, frames joined by two linears, Qwen2."""

    name = "FireRedASR2ForConditionalGeneration"
    architectures = ("FireRedASR2ForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        text = text_spec(config, config, context, architecture="Qwen2ForCausalLM")
        given = needed_section(config, "audio_encoder_conf")
        width, joined = given.integer("d_model"), config.integer("encoder_downsample_rate")
        at = "model.encoder_projector."
        modules = (
            *under("model.encoder.audio_encoder.", _conformer(given)),
            dense(f"{at}linear1", width * joined, text.hidden_size, quantizable=False),
            dense(f"{at}linear2", text.hidden_size, text.hidden_size, quantizable=False),
        )
        frames = _FRAMES // 4
        sound = Encoder(
            modality="audio",
            max_item_tokens=frames // joined,
            patches=frames,
            width=width,
            mlp_width=4 * width,
            heads=given.integer("n_head"),
            tensor_parallel=False,
            input_elements=_FRAMES * given.integer("idim"),
        )
        return multimodal(text, config, modules=modules, encoders=(sound,), prefix="model.decoder.", modalities=_AUDIO)


def _conformer(config: ModelConfig) -> Iterable[Module]:
    """Blocks of attention with relative positions between two halves of feed-forward network; no linear is quantized."""
    width, heads, bands = config.integer("d_model"), config.integer("n_head"), config.integer("idim")
    count, kernel = config.integer("n_layers_enc"), config.integer("kernel_size", default=33)
    if width % heads:
        raise config.error("n_head", f"is {heads}, which does not divide d_model {width}")
    block, left = "layer_stack.0.", ((bands - 1) // 2 - 1) // 2
    yield convolution("input_preprocessor.conv.0", _CHANNELS, 1, 3, 3)
    yield convolution("input_preprocessor.conv.2", _CHANNELS, _CHANNELS, 3, 3)
    yield dense("input_preprocessor.out", _CHANNELS * left, width, quantizable=False)
    positions = 2 * config.integer("pe_maxlen", default=5000) - 1
    yield Tensor(name="positional_encoding.pe", shape=(positions, width), buffer=True)
    for half in ("ffn1", "ffn2"):
        yield dense(f"{block}{half}.linear_expand", width, 4 * width, quantizable=False, count=count)
        yield dense(f"{block}{half}.linear_project", 4 * width, width, quantizable=False, count=count)
    for part in ("w_qs", "w_ks", "w_vs", "fc", "linear_pos"):
        yield dense(f"{block}mhsa.{part}", width, width, bias=False, quantizable=False, count=count)
    yield Tensor(name=f"{block}mhsa.pos_biases", shape=(2, width), count=count)
    yield convolution(f"{block}conv.pointwise_conv1", 4 * width, width, bias=False, count=count)
    yield convolution(f"{block}conv.depthwise_conv", 2 * width, 1, kernel, bias=False, count=count)
    yield convolution(f"{block}conv.pointwise_conv2", width, 2 * width, bias=False, count=count)
    # before each half, of queries, keys and values, before and (twice as wide) in the convolution, and at the end
    yield Tensor(name=f"{block}norms", shape=(2 + 3 + 1 + 2 + 1, 2 * width), count=count)


class FunAsr(ArchitectureAdapter):
    """SenseVoice's encoder, a small transformer, Qwen3. vLLM marks no tower, so none is ever left out."""

    name = "FunASRForConditionalGeneration"
    architectures = ("FunASRForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        text = text_spec(config, config, context, architecture="Qwen3ForCausalLM")
        given = needed_section(config, "audio_encoder_conf")
        width = given.integer("output_size", default=256)
        sound = Encoder(
            modality="audio",
            max_item_tokens=_FRAMES // 6,
            patches=_FRAMES // 6,
            width=width,
            mlp_width=given.integer("linear_units", default=2048),
            heads=given.integer("attention_heads", default=4),
            tensor_parallel=False,
            input_elements=_FRAMES // 6 * _FUN_INPUT,
        )
        outer = multimodal(text, config, modules=(), encoders=(sound,), inside="model.decoder.", modalities=_AUDIO)
        modules = (
            *under("model.encoder.audio_encoder.", _sense_voice(given, width)),
            *under("model.encoder.audio_adaptor.", _adaptor()),
        )
        placed = tuple(Placed(module=module, stage="every") for module in modules)
        return evolve(outer, placed=(*outer.placed, *placed))


def _sense_voice(config: ModelConfig, width: int) -> Iterable[Module]:
    """Blocks whose attention is whole on every rank and whose feed-forward network is divided; the first is wider."""
    mlp, kernel = config.integer("linear_units", default=2048), config.integer("kernel_size", default=11)
    count = config.integer("num_blocks", default=6) - 1 + config.integer("tp_blocks", default=0, low=0)
    for name, inputs, times in (("encoders0.0.", _FUN_INPUT, 1), ("encoders.0.", width, count)):
        if not times:
            continue
        yield dense(f"{name}self_attn.linear_q_k_v", inputs, 3 * width, quantizable=False, count=times)
        yield dense(f"{name}self_attn.out_proj", width, width, quantizable=False, count=times)
        yield convolution(f"{name}self_attn.fsmn_block", width, 1, kernel, bias=False, count=times)
        yield dense(f"{name}feed_forward.w_1", width, mlp, parallel="column", quantizable=False, count=times)
        yield dense(f"{name}feed_forward.w_2", mlp, width, parallel="row", quantizable=False, count=times)
        yield norm(f"{name}norm1", inputs, bias=True, count=times)
        yield norm(f"{name}norm2", width, bias=True, count=times)
    yield norm("after_norm", width, bias=True)
    yield norm("tp_norm", width, bias=True)


def _adaptor() -> Iterable[Module]:
    """Its sizes are fixed in vLLM's class, whatever the config says."""
    width, block, mlp = _FUN_OUTPUT, "blocks.0.", _FUN_OUTPUT // 4
    yield dense("linear1", _FUN_ENCODER, _FUN_MIDDLE, parallel="column", quantizable=False)
    yield dense("linear2", _FUN_MIDDLE, width, parallel="row", quantizable=False)
    yield Linear(
        name=f"{block}self_attn.qkv",
        inputs=width,
        outputs=(Split(size=width, units=_FUN_HEADS),) * 3,
        bias=True,
        sources=tuple(f"{block}self_attn.{part}_proj" for part in "qkv"),
        quantizable=False,
        count=2,
    )
    yield dense(f"{block}self_attn.out_proj", width, width, parallel="row", quantizable=False, count=2)
    yield dense(f"{block}feed_forward.w_1", width, mlp, parallel="column", quantizable=False, count=2)
    yield dense(f"{block}feed_forward.w_2", mlp, width, parallel="row", quantizable=False, count=2)
    yield Tensor(name=f"{block}norms", shape=(2, 2 * width), count=2)


def adapters() -> Iterable[ArchitectureAdapter]:
    """FireRedASR 2, Fun-ASR."""
    return [FireRedAsr2(), FunAsr()]
