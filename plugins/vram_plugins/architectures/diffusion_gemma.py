"""DiffusionGemma: Gemma 4 with its vision tower, and a network that reads the previous denoising step.

Source: vLLM 0.33.0 `diffusion_gemma.py`. The buffers of its sampler are no parameters and are not counted here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from vram.architecture import norm
from vram.architecture.reading import overridden
from vram.architecture.towers import convolution
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.cache import AttentionCache
from vram.models.config import ModelConfig
from vram.models.parameters import Placed
from vram.models.record import evolve
from vram.models.spec import LayerRun, ModelSpec
from vram.plugin.manager import plugins

_GEMMA = "Gemma4ForConditionalGeneration"
#: FlashAttention 4's block with heads of 256, which serves those layers on Blackwell: FlashInfer cannot mix causal and
#: bidirectional requests (`config.py:DiffusionGemmaModelForBlockDiffusionConfig`, `use_non_causal`)
_BLOCK = 128
_HEAD = 256


class DiffusionGemma(ArchitectureAdapter):
    """Gemma 4 without embeddings per layer; a full layer's heads are wider, as `per_layer_config` says."""

    name = "DiffusionGemmaForBlockDiffusion"
    architectures = ("DiffusionGemmaForBlockDiffusion",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        text = config.text()
        raw = {**text.raw, "model_type": "gemma4_text", "hidden_size_per_layer_input": 0, **wide_heads(text)}
        inner = overridden(config, architectures=[_GEMMA], text_config=raw, audio_config=None)
        spec = plugins().adapters[_GEMMA].build(inner, context)
        hidden = spec.hidden_size
        width = config.integer("self_conditioning_size", default=text.integer("intermediate_size"))
        at = "self_conditioning."
        modules = (
            norm(f"{at}pre_norm", hidden),
            convolution(f"{at}gate_proj", width, hidden, bias=False),
            convolution(f"{at}up_proj", width, hidden, bias=False),
            convolution(f"{at}down_proj", hidden, width, bias=False),
        )
        placed = (*spec.placed, *(Placed(module=module, stage="every") for module in modules))
        return evolve(
            spec,
            architecture=config.architecture,
            placed=placed,
            runs=tuple(_with_blocks(run) for run in spec.runs) if context.compute_capability[0] == 10 else spec.runs,
            hints=spec.hints | {"canvases"},  # each sequence has a whole canvas of logits: eight of them by default
        )


def _with_blocks(run: LayerRun) -> LayerRun:
    caches = tuple(
        evolve(cache, block_size=_BLOCK) if isinstance(cache, AttentionCache) and cache.head_size == _HEAD else cache
        for cache in run.layer.caches
    )
    return evolve(run, layer=evolve(run.layer, caches=caches))


def wide_heads(text: ModelConfig) -> Mapping[str, object]:
    """`global_head_dim`, from the layers that `per_layer_config` gives a head of their own. Raises ConfigError."""
    per_layer = text.sub("per_layer_config")
    if per_layer is None:
        return {}
    wide = set()
    for name in per_layer.raw:
        layer = per_layer.sub(name)
        if layer is not None:
            wide.add(layer.integer("head_dim", default=text.integer("head_dim", default=256)))
    if len(wide) > 1:
        raise text.error("per_layer_config", "has heads of several widths, which are not known")
    return {"global_head_dim": wide.pop()} if wide else {}


def adapters() -> Iterable[ArchitectureAdapter]:
    """DiffusionGemma."""
    return [DiffusionGemma()]
