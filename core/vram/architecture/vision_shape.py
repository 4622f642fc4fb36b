"""Reading a vision section: sizes every tower has, and how many of its layers are built."""

from __future__ import annotations

from vram.models.config import ModelConfig
from vram.models.record import frozen


@frozen(kw_only=True)
class Shape:
    """The fields nearly every vision config has: pixels, patch edge, layers and widths."""

    width: int
    layers: int
    heads: int
    mlp_width: int
    image_size: int
    patch_size: int
    channels: int

    @property
    def grid(self) -> int:
        """Patches along one edge of the image."""
        return self.image_size // self.patch_size


def vision_shape(config: ModelConfig) -> Shape:
    """Read the standard vision fields (square where two edges are given). Raises ConfigError."""
    shape = Shape(
        width=config.integer("hidden_size", "embed_dim", "width"),
        layers=config.integer("num_hidden_layers", "depth", "layers"),
        heads=config.integer("num_attention_heads", "num_heads", "heads", "attention_heads"),
        mlp_width=config.integer("intermediate_size", default=1),
        image_size=edge(config, "image_size", default=224),
        patch_size=edge(config, "patch_size", default=14),
        channels=config.integer("num_channels", "in_channels", default=3),
    )
    if shape.width % shape.heads:
        raise config.error("num_attention_heads", f"is {shape.heads}, which does not divide hidden_size {shape.width}")
    if not shape.grid:
        raise config.error("image_size", f"is {shape.image_size}, less than a patch of {shape.patch_size}")
    return shape


def edge(config: ModelConfig, name: str, *, default: int) -> int:
    """A size given as one edge or as a list of equal ones. Raises ConfigError."""
    if isinstance(config.get(name), list | tuple):
        values = config.integers(name)
        if not values or values[0] < 1:
            raise config.error(name, "must be a positive size")
        return values[0]
    return config.integer(name, default=default)


def feature_layers(config: ModelConfig, layers: int, *, default: int = -2, name: str = "vision_feature_layer") -> int:
    """How many of a tower's layers vLLM builds: up to the deepest one whose features are used.

    Source: vLLM 0.32.0 `llava.py:_get_num_hidden_layers`. Raises ConfigError.
    """
    if isinstance(config.get(name), list | tuple):
        wanted = config.integers(name) or (default,)
    else:
        wanted = (config.integer(name, default=default, low=-layers),)
    built = max(layers + index + 1 if index < 0 else index for index in wanted)
    if not 0 <= built <= layers:
        raise config.error(name, f"asks for layer {built} of a tower of {layers}")
    return built
