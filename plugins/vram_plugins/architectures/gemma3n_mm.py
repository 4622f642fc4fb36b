"""Gemma 3n with its vision and audio towers.

Sources: vLLM 0.32.0 `gemma3n_mm.py`; transformers' `modeling_gemma3n.py`, whose towers vLLM runs.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import norm
from vram.architecture.reading import optional_section
from vram.architecture.towers import convolution, dense, multimodal, with_tower
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Embedding, Module, Tensor
from vram.models.record import evolve
from vram.models.spec import Encoder, ModelSpec
from vram_plugins.architectures.language import text_section, text_spec
from vram_plugins.architectures.vision import vision_section

_IMAGE_TOKENS, _AUDIO_TOKENS, _MELS = 256, 188, 128
_IMAGE_PIXELS = 768
#: parameters of timm's mobilenetv5_300m_enc, which vLLM builds without telling its shapes in the config
_MOBILENET = 300_000_000
_RENAMES = (
    ("model.embed_audio.", "embed_audio."),
    ("model.embed_vision.", "embed_vision."),
    ("model.language_model.", "language_model.model."),
    ("model.vision_tower.", "vision_tower."),
    ("model.audio_tower.", "audio_tower."),
    ("lm_head.", "language_model.lm_head."),
    ("model.", "language_model.model."),
)


def _embedder(name: str, words: int, width: int, hidden: int) -> tuple[Module, ...]:
    return (
        Embedding(name=f"{name}.embedding", rows=words, columns=width, sources=(f"{name}.embedding",)),
        norm(f"{name}.norms", width, count=2),
        dense(f"{name}.embedding_projection", width, hidden, parallel="row", bias=False, quantizable=False),
    )


def _stem(audio: ModelConfig, at: str, width: int) -> tuple[Module, ...]:
    first, second = (audio.integers("sscp_conv_channel_size") or (128, 32))[:2]
    bands = audio.integer("input_feat_size", default=_MELS) // 4
    return (
        convolution(f"{at}conv_0", first, 1, 3, 3, bias=False),
        norm(f"{at}norm_0", first),
        convolution(f"{at}conv_1", second, first, 3, 3, bias=False),
        norm(f"{at}norm_1", second),
        convolution(f"{at}input_proj_linear", width, second * bands, bias=False),
    )


def _audio(audio: ModelConfig) -> tuple[Module, ...]:
    """The Universal Speech Model's Conformer, whole and unquantized on every rank."""
    at = "audio_tower."
    width = audio.integer("hidden_size", default=1536)
    count = audio.integer("conf_num_hidden_layers", default=12)
    chunk = audio.integer("conf_attention_chunk_size", default=12)
    seen = audio.integer("conf_attention_context_left", default=13) - 1
    seen += audio.integer("conf_attention_context_right", default=0, low=0)
    block = f"{at}conformer.0."
    halves = ("ffw_layer_start", "ffw_layer_end")

    def linear(name: str, inputs: int, outputs: int) -> Tensor:
        return convolution(block + name, outputs, inputs, bias=False, count=count)

    def plain(name: str, *shape: int, dtype: str | None = None) -> Tensor:
        return Tensor(name=block + name, shape=shape, dtype=dtype, count=count)

    return (
        *_stem(audio, f"{at}subsample_conv_projection.", width),
        *(linear(f"attention.attn.{name}", width, width) for name in ("q_proj", "k_proj", "v_proj", "pos_proj")),
        plain("attention.attn.per_dim_scale", width // audio.integer("conf_num_attention_heads", default=8)),
        linear("attention.post", width, width),
        *(linear(f"{half}.ffw_layer_1", width, 4 * width) for half in halves),
        *(linear(f"{half}.ffw_layer_2", 4 * width, width) for half in halves),
        linear("lconv1d.linear_start", width, 2 * width),
        linear("lconv1d.linear_end", width, width),
        plain("lconv1d.depthwise_conv1d", width, audio.integer("conf_conv_kernel_size", default=5)),
        plain("norms", 9, width),
        plain("gradient_clipping", 6),
        plain("attention.attn.softcap", 1, dtype="float32"),
        plain("attention.attn.inv_timescales", width // 2, dtype="float32"),
        plain("attention.attn.local_causal_valid_mask", chunk, chunk + seen, dtype="bool"),
    )


class Gemma3n(ArchitectureAdapter):
    """Gemma 3n with both towers; of the vision tower only its published size is known."""

    name = "Gemma3nForConditionalGeneration"
    architectures = ("Gemma3nForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        section = text_section(config, model_type="gemma3n_text", tied=True)
        text = text_spec(section, config, context, architecture="Gemma3nForCausalLM")
        vision = vision_section(config, "")
        width = vision.integer("hidden_size", default=2048)
        seeing = (
            Tensor(name="vision_tower.timm_model", shape=(_MOBILENET,)),
            *_embedder("embed_vision", vision.integer("vocab_size", default=128), width, text.hidden_size),
        )
        image = Encoder(
            modality="image",
            max_item_tokens=_IMAGE_TOKENS,
            patches=(_IMAGE_PIXELS // 16) ** 2,
            width=width,
            mlp_width=4 * width,
            tensor_parallel=False,
            input_elements=3 * _IMAGE_PIXELS**2,
        )
        audio = optional_section(config, "audio_config")
        heard = audio.integer("hidden_size", default=1536)
        words = audio.integer("vocab_size", default=128)
        hearing = (*_audio(audio), *_embedder("embed_audio", words, heard, text.hidden_size))
        sound = Encoder(
            modality="audio",
            max_item_tokens=_AUDIO_TOKENS,
            patches=4 * _AUDIO_TOKENS,
            width=heard,
            mlp_width=4 * heard,
            tensor_parallel=False,
            input_elements=16 * _AUDIO_TOKENS * _MELS,
        )
        outer = multimodal(text, config, modules=seeing, encoders=(image,), renames=_RENAMES)
        spec = with_tower(outer, hearing, modalities=("audio",), encoders=(sound,))
        note = "The vision tower (MobileNetV5) is counted with its published 300 million parameters."
        return evolve(spec, assumptions=(*spec.assumptions, note))


def adapters() -> Iterable[ArchitectureAdapter]:
    """Gemma 3n with its towers."""
    return [Gemma3n()]
