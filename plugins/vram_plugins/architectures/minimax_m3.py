"""MiniMax M3: block-sparse attention with an indexer's keys beside the cache, experts, and a CLIP-like tower.

Source: vLLM 0.33.0 `models/minimax_m3/nvidia/model.py`, `common/indexer.py`, `common/vision_tower.py`,
`common/mm_preprocess.py`; defaults are `transformers_utils/configs/minimax_m3.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from vram.architecture.attention import kv_scales
from vram.architecture.decoder import Dimensions
from vram.architecture.expert_family import ExpertFamily
from vram.architecture.family import LayerKind
from vram.architecture.parts import Part, norm
from vram.architecture.reading import needed_section
from vram.architecture.towers import convolution, dense, multimodal
from vram.architecture.vision_shape import Shape, vision_shape
from vram.architecture.vit import BlockNames, blocks
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.cache import AttentionCache
from vram.models.config import ModelConfig
from vram.models.parameters import Linear, Module, Placed, Split, Tensor, round_up
from vram.models.record import evolve
from vram.models.spec import Encoder, ModelSpec
from vram_plugins.architectures.language import text_section, text_spec
from vram_plugins.architectures.vision import image_encoder

#: pages of the sparse backends and of the indexer (`get_supported_kernel_block_sizes`)
_PAGE = 128
_TOKEN_BUDGET = 8192  # while the batch is not resolved yet
_DENSE_FIRST = 3  # without `moe_layer_freq` and `sparse_attention_config` (the config class)
#: pixels of the largest image and of a video's frame, and its frames, in the published preprocessors
_IMAGE_PIXELS = 451_584
_FRAME_PIXELS = 602_112
_VIDEO_FRAMES = 500

_TOWER = "vision_tower."
_BLOCKS = BlockNames(
    qkv="self_attn.qkv_proj",
    qkv_parts=("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    out="self_attn.out_proj",
    up="fc1",
    down="fc2",
)
_RENAMES = (
    ("multi_modal_projector.", f"{_TOWER}multi_modal_projector."),
    ("patch_merge_mlp.", f"{_TOWER}patch_merge_mlp."),
)


class MiniMaxM3Text(ExpertFamily):
    """The language model; `sparse_attention_freq` and `moe_layer_freq` say which layers are sparse in what."""

    architectures: tuple[str, ...] = ("MiniMaxM3SparseForCausalLM",)
    ties = "never"
    defaults: ClassVar[Mapping[str, object]] = {
        "vocab_size": 200064,
        "hidden_size": 6144,
        "intermediate_size": 3072,
        "dense_intermediate_size": 12288,
        "num_hidden_layers": 60,
        "num_attention_heads": 64,
        "num_key_value_heads": 4,
        "head_dim": 128,
        "max_position_embeddings": 524288,
        "partial_rotary_factor": 0.5,
        "num_local_experts": 128,
        "num_experts_per_tok": 4,
        "n_shared_experts": 1,
        "use_routing_bias": True,
    }
    qk_norm = "head"
    block = "block_sparse_moe"
    width_field = ("intermediate_size",)
    experts_field = ("num_local_experts",)
    shared = ("n_shared_experts",)
    expert_names = ("w1", "w3", "w2")
    router_dtype = "float32"
    correction_bias = "use_routing_bias"

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it, with the blocks that all sparse layers choose. Raises ConfigError."""
        spec = super().build(config, context)
        indexer = _indexer(config)
        heads = max(1, indexer.integer("sparse_num_index_heads") // context.tensor_parallel_size)
        rows = round_up(context.max_num_batched_tokens or _TOKEN_BUDGET, 4)
        buffer = Tensor(
            name="model.topk_indices_buffer",
            shape=(rows, heads, indexer.integer("sparse_topk_blocks")),
            dtype="int32",
            buffer=True,
            presence="loaded",
        )
        return evolve(spec, placed=(*spec.placed, Placed(module=buffer, stage="every")))

    def kinds(self, config: ModelConfig, dims: Dimensions) -> Sequence[LayerKind]:
        """The kind of each layer: experts or not, an indexer or not."""
        layers = dims.num_hidden_layers
        experts = _places(config, "moe_layer_freq", layers)
        indexed = _places(_indexer(config), "sparse_attention_freq", layers)
        return [
            LayerKind(dims=dims, sparse=routed, variant="indexed" if has else "")
            for routed, has in zip(experts, indexed, strict=True)
        ]

    def attention(self, config: ModelConfig, kind: LayerKind) -> Part:
        """With an indexer its queries (as many heads as there are of keys) and its one key join the projection."""
        part = super().attention(config, kind)
        if not kind.variant:
            return part
        width = _indexer(config).integer("sparse_index_dim")
        heads = _indexer(config).integer("sparse_num_index_heads")
        qkv, *others = (module for module in part.modules if module != kv_scales())
        assert isinstance(qkv, Linear)
        joined = evolve(
            qkv,
            outputs=(*qkv.outputs, Split(size=heads * width, units=heads), Split(size=width, units=1)),
            sources=(*qkv.sources, "self_attn.index_q_proj", "self_attn.index_k_proj"),
        )
        keys = AttentionCache(
            kind="full_attention", num_kv_heads=1, head_size=width, head_size_v=0, unquantized=True, block_size=_PAGE
        )
        norms = Tensor(name="self_attn.index_qk_norm", shape=(2, width))
        scales = kv_scales(quantizable=False)  # this attention owns its cache and reads no checkpoint's scales
        return Part(modules=(joined, *others, norms, scales), caches=(*part.caches, keys))

    def dense_width(self, config: ModelConfig, kind: LayerKind) -> int:
        """Dense layers have a field of their own."""
        del kind
        return config.integer("dense_intermediate_size")


class MiniMaxM3(ArchitectureAdapter):
    """With its tower and two small networks after it, all divided over the ranks."""

    name = "MiniMaxM3SparseForConditionalGeneration"
    architectures = ("MiniMaxM3SparseForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        section = text_section(config)
        text = text_spec(section, config, context, architecture="MiniMaxM3SparseForCausalLM")
        vision = needed_section(config, "vision_config")
        shape = vision_shape(vision)
        compression = vision.sub("img_token_compression_config") or vision
        merge = compression.integer("spatial_merge_size", default=2)
        frames = compression.integer("temporal_patch_size", default=2)
        edge = (shape.patch_size * merge) ** 2
        image = image_encoder(shape, tokens=_IMAGE_PIXELS // edge, patches=_IMAGE_PIXELS // edge * merge**2)
        length = context.max_model_len or text.max_model_len
        middle = config.integer("projector_hidden_size", default=text.hidden_size)
        modules = (
            *_vit(shape, frames),
            *_network(
                vision, "multi_modal_projector", "multimodal_projector_bias", shape.width, middle, text.hidden_size
            ),
            *_network(
                vision, "patch_merge_mlp", "patch_merge_bias", text.hidden_size * merge**2, middle, text.hidden_size
            ),
        )
        return multimodal(
            text,
            config,
            modules=modules,
            encoders=(image, _video(image, _FRAME_PIXELS // edge, frames, length)),
            renames=_RENAMES,
            modalities=("image", "video"),
            data_parallel=True,
        )


def _indexer(config: ModelConfig) -> ModelConfig:
    """`sparse_attention_config`, or what the config class takes for it."""
    given = config.sub("sparse_attention_config")
    if given is not None:
        return given
    raw = {"sparse_index_dim": 128, "sparse_num_index_heads": 4, "sparse_topk_blocks": 16}
    return ModelConfig(raw=raw, path=config.path, section="sparse_attention_config.")


def _places(config: ModelConfig, name: str, layers: int) -> list[bool]:
    """Which layers a list of zeros and ones names; without one all but the first few."""
    given = config.get(name)
    if not isinstance(given, list | tuple):
        return [index >= _DENSE_FIRST for index in range(layers)]
    if len(given) < layers:
        raise config.error(name, f"has {len(given)} entries for {layers} layers")
    return [bool(place) for place in given[:layers]]


def _vit(shape: Shape, frames: int) -> tuple[Module, ...]:
    """No final norm; frequencies of a third of a head each for time, height and width."""
    at = f"{_TOWER}vision_model."
    third = 2 * (shape.width // shape.heads // 2) // 3 // 2
    return (
        convolution(
            f"{at}embeddings.patch_embedding",
            shape.width,
            shape.channels,
            frames,
            shape.patch_size,
            shape.patch_size,
            bias=False,
        ),
        norm(f"{at}pre_layrnorm", shape.width, bias=True),
        Tensor(name=f"{at}inv_freq", shape=(3, third), dtype="float32", buffer=True),
        *blocks(
            f"{at}encoder.layers",
            count=shape.layers,
            width=shape.width,
            heads=shape.heads,
            mlp_width=shape.mlp_width,
            names=_BLOCKS,
        ),
    )


def _network(
    vision: ModelConfig, name: str, bias_field: str, inputs: int, middle: int, outputs: int
) -> tuple[Module, ...]:
    at, bias = f"{_TOWER}{name}.", vision.flag(bias_field, default=True)
    return (
        dense(f"{at}linear_1", inputs, middle, parallel="column", bias=bias),
        dense(f"{at}linear_2", middle, outputs, parallel="row", bias=bias),
    )


def _video(image: Encoder, per_frame: int, frames: int, length: int) -> Encoder:
    """As many frames as fit a request, taken in pairs."""
    groups = min(max(1, length // per_frame), _VIDEO_FRAMES // frames)
    tokens = groups * per_frame
    share = tokens / image.max_item_tokens
    return evolve(
        image,
        modality="video",
        max_item_tokens=tokens,
        patches=round(image.patches * share),
        input_elements=round(image.input_elements * share),
    )


def adapters() -> Iterable[ArchitectureAdapter]:
    """MiniMax M3 with and without its tower."""
    return [MiniMaxM3Text(), MiniMaxM3()]
