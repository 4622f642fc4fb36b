"""MiDashengLM: Dasheng's transformer over patches of a spectrogram, frames joined by two linears, Qwen2.

Sources: vLLM 0.33.0 `midashenglm.py`, `transformers_utils/configs/midashenglm.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import norm
from vram.architecture.reading import optional_section
from vram.architecture.towers import convolution, dense, multimodal
from vram.architecture.vision_shape import edge
from vram.architecture.vit import BlockNames, blocks
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Tensor
from vram.models.spec import Encoder, ModelSpec
from vram_plugins.architectures.language import text_section, text_spec


class MiDasheng(ArchitectureAdapter):
    """The language model is called `decoder`."""

    name = "MiDashengLMModel"
    architectures = ("MiDashengLMModel",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        section = text_section(config, model_type="qwen2")
        text = text_spec(section, config, context, architecture="Qwen2ForCausalLM")
        audio = optional_section(config, "audio_encoder_config")
        width, joined = audio.integer("embed_dim", default=768), config.integer("subsample_factor", default=5)
        mlp = int(width * audio.number("mlp_ratio", default=4.0))
        bands = audio.integer("n_mels", default=64)
        frames = audio.integer("target_length", default=1012)
        heads = audio.integer("num_heads", default=12)
        stride = edge(audio, "patch_stride", default=16)
        modules = (
            *_tower(audio, width, mlp, rows=bands // stride, columns=frames // stride),
            dense("audio_projector.net.0", width * joined, text.hidden_size, parallel="column"),
            dense("audio_projector.net.2", text.hidden_size, text.hidden_size, parallel="row"),
        )
        patches = (bands // stride) * (frames // stride)
        sound = Encoder(
            modality="audio",
            max_item_tokens=max(patches // joined, 1),
            patches=patches,
            width=width,
            mlp_width=mlp,
            heads=heads,
            input_elements=frames * bands,
        )
        return multimodal(text, config, modules=modules, encoders=(sound,), prefix="decoder.", modalities=("audio",))


def _tower(audio: ModelConfig, width: int, mlp: int, *, rows: int, columns: int) -> Iterable[Module]:
    at, bands, patch = "audio_encoder.", audio.integer("n_mels", default=64), edge(audio, "patch_size", default=16)
    spectrum = audio.integer("n_fft", default=512) // 2 + 1
    yield Tensor(name=f"{at}front_end.window", shape=(audio.integer("win_length", default=512),), buffer=True)
    yield Tensor(name=f"{at}front_end.melscale_fbanks", shape=(spectrum, bands), buffer=True)
    yield Tensor(name=f"{at}init_bn", shape=(4, bands))
    yield Tensor(name=f"{at}init_bn.seen", shape=(1,), dtype="int64", buffer=True)
    yield convolution(f"{at}patch_embed.proj", width, audio.integer("input_channels", default=1), patch, patch)
    yield Tensor(name=f"{at}pos_embeds", shape=(rows + columns, width))
    yield from blocks(
        f"{at}blocks",
        count=audio.integer("depth", default=12),
        width=width,
        heads=audio.integer("num_heads", default=12),
        mlp_width=mlp,
        names=BlockNames(),
        qkv_bias=audio.flag("qkv_bias", default=True),
        scales=2 if audio.number("init_values", default=0.0) else 0,
    )
    yield norm(f"{at}norm", width, bias=True)


def adapters() -> Iterable[ArchitectureAdapter]:
    """MiDashengLM."""
    return [MiDasheng()]
