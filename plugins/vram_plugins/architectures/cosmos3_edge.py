"""Cosmos 3 Edge: SigLIP 2, 2 × 2 patches merged, and a dense decoder built of Nemotron-H's attention and MLP layers.

Sources: vLLM 0.33.0 and 0.32.0 `cosmos3_edge.py`, transformers' `configuration_cosmos3_edge.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import norm, read_ropes, rope_table
from vram.architecture.items import most_pixels
from vram.architecture.reading import optional_section, overridden
from vram.architecture.towers import dense, multimodal
from vram.architecture.vision_shape import vision_shape
from vram.architecture.vision_towers import siglip2_tower
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Placed
from vram.models.record import evolve
from vram.models.spec import ModelSpec
from vram_plugins.architectures.language import filled, text_section
from vram_plugins.architectures.nemotron_h import nemotron_h_text
from vram_plugins.architectures.vision import image_encoder, vision_section

#: pixels of the largest image where no processor config says (its processor's `size`, as Qwen3-VL's)
_PIXELS = 16777216
#: before, vLLM had config classes of its own
_ONE_CONFIG_SINCE = (0, 33, 0)
_PROJECTOR = {
    "input_hidden_size": 1024,
    "out_hidden_size": 1024,
    "merger_intermediate_size": 11520,
    "spatial_merge_size": 2,
}


class Cosmos3Edge(ArchitectureAdapter):
    """Every layer of the config is two of Nemotron-H's; embeddings are not tied whatever the config says."""

    name = "Cosmos3EdgeForConditionalGeneration"
    architectures = ("Cosmos3EdgeForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        text = _text(text_section(config, model_type="cosmos3_edge_text"), config, context)
        vision = vision_section(config, "cosmos3_edge_vision")
        shape = vision_shape(vision)
        projector = _projector(config, vision, text.hidden_size, context)
        joined = projector.integer("spatial_merge_size") ** 2
        width, middle = projector.integer("input_hidden_size"), projector.integer("merger_intermediate_size")
        at = "visual.projector."
        modules = (
            *siglip2_tower(vision, "visual.encoder."),
            norm(f"{at}norm", width * (joined if projector.flag("use_postshuffle_norm") else 1), bias=True),
            dense(f"{at}linear_fc1", width * joined, middle, parallel="column"),
            dense(f"{at}linear_fc2", middle, projector.integer("out_hidden_size"), parallel="row"),
        )
        tokens = most_pixels(context.items, _PIXELS) // (joined * shape.patch_size**2)
        image = image_encoder(shape, tokens=tokens, patches=tokens * joined)
        return multimodal(
            text,
            config,
            modules=modules,
            encoders=(image,),
            renames=(
                ("model.visual.", "visual.encoder."),
                ("model.projector.", "visual.projector."),
                ("lm_head.", "language_model.lm_head."),
                ("model.language_model.", "language_model.model."),
            ),
            modalities=("image", "video"),
            data_parallel=True,
        )


def _projector(config: ModelConfig, vision: ModelConfig, hidden_size: int, context: BuildContext) -> ModelConfig:
    """The projector's sizes: a section of its own before 0.33, then what the other sections say."""
    if context.vllm_version < _ONE_CONFIG_SINCE:
        section = optional_section(config, "projector_config")
        return filled(section, _PROJECTOR)
    raw = {
        "input_hidden_size": vision.get("hidden_size"),
        "out_hidden_size": hidden_size,
        "spatial_merge_size": vision.get("spatial_merge_size"),
        "merger_intermediate_size": config.integer(
            "projector_hidden_size", default=_PROJECTOR["merger_intermediate_size"]
        ),
    }
    return ModelConfig(raw=raw, path=config.path, section="vision_config.")


def _text(section: ModelConfig, outer: ModelConfig, context: BuildContext) -> ModelSpec:
    """Attention and MLP in turn, and rotary positions, which Nemotron-H itself has not; no hybrid to vLLM."""
    letters = "*-" * section.integer("num_hidden_layers")
    plain = overridden(section, hybrid_override_pattern=letters)
    spec = nemotron_h_text(plain, context, outer=outer)
    ropes = read_ropes(section) or (None,)
    head_dim = section.integer("head_dim", default=128)
    tables = tuple(
        Placed(
            module=rope_table(rope, head_dim=head_dim, max_position=section.integer("max_position_embeddings")),
            stage="every",
        )
        for rope in ropes
    )
    return evolve(spec, placed=spec.placed + tables, hints=frozenset(), state_dtype=None)


def adapters() -> Iterable[ArchitectureAdapter]:
    """Cosmos 3 Edge."""
    return [Cosmos3Edge()]
