"""ModelSpec: a whole model as an architecture adapter describes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from vram.models.cache import CacheLayer
from vram.models.parameters import Experts, Module, Placed
from vram.models.record import frozen

Provenance = Literal["derived", "measured", "assumed"]
#: a hint: weights are a lump without shapes (dimensions by hand)
SHAPELESS = "shapeless"
#: a hint: layers differ in head size and vLLM takes one FlashAttention version for all (`models/config.py:Gemma4Config`)
UNEVEN_HEADS = "uneven_heads"
#: a hint: what the user says of images and videos changes nothing here
UNREAD_ITEMS = "unread_items"
#: a hint: a bfloat16 KV cache means the default one (`models/config.py:DeepseekV32ForCausalLM`)
BFLOAT16_IS_AUTO = "bfloat16_is_auto"

#: a hint: the class has another number of layers than `num_hidden_layers` says
OWN_LAYERS = "own_layers"


@frozen(kw_only=True)
class Layer:
    """One decoder layer: its modules and what it keeps in the KV cache."""

    modules: tuple[Module, ...]
    caches: tuple[CacheLayer, ...] = ()


@frozen(kw_only=True)
class LayerRun:
    """The same layer at several places: `indices` are positions in the pipeline-split stack."""

    layer: Layer
    indices: tuple[int, ...]
    prefix: str = "model.layers"


@frozen(kw_only=True)
class Draft:
    """What speculative decoding adds to a model: a draft's layers and modules, all on the last pipeline rank.

    `runs` count positions of its own stack. `target_quantization`: whether the target's scheme stores them (its own
    prediction layers) or nothing does. `max_model_len` is set where the draft's own length limits the target's.
    """

    runs: tuple[LayerRun, ...]
    placed: tuple[Placed, ...] = ()
    target_quantization: bool = True
    max_model_len: int | None = None


@frozen(kw_only=True, cache_hash=True)
class Encoder:
    """A vision or audio tower as the memory profile sees it.

    `max_item_tokens` is the number of embeddings the largest item yields in the language model,
    `patches` the tower's own sequence length for it, `width`/`mlp_width` its hidden sizes. `input_elements` are the
    largest item's input (pixel values, features; 0: 3 × 14 × 14 per patch), `output_width` the features of one embedding
    it yields (0: the language model's hidden size; more with deepstack levels), `gated` whether its MLP is.
    `profiled_tokens` are those of the item that is profiled where the user has a smaller one (0: the largest).
    """

    modality: str
    max_item_tokens: int
    patches: int
    width: int
    mlp_width: int
    heads: int = 0
    tensor_parallel: bool = True
    input_elements: int = 0
    output_width: int = 0
    gated: bool = False
    profiled_tokens: int = 0


@frozen(kw_only=True, eq=False)
class ModelSpec:
    """Parameters with their parallel rule × repeats, cache layers and towers.

    Compared by identity: one spec is built per model and shared. `renames` map a checkpoint's module prefixes to
    vLLM's (after a star, parts of names), in order, for ignore lists. `max_model_len` is vLLM's default,
    `derived_max_model_len` the most it allows. `hints`: "hybrid" is a class vLLM counts among its hybrids even where a
    config leaves it no attention, "latent_attention" one whose keys are a latent vector. `residual_streams` hidden states of
    each token run through the layers. `assumptions` are sentences about what was not known. `parameters` is their number
    where modules do not tell it. `kv_cache_dtype` is what the architecture makes of `auto`.
    """

    architecture: str
    dtype: str
    hidden_size: int
    vocab_size: int
    num_attention_heads: int
    max_model_len: int
    derived_max_model_len: int
    num_layers: int
    runs: tuple[LayerRun, ...]
    placed: tuple[Placed, ...]
    encoders: tuple[Encoder, ...] = ()
    runner: Literal["generate", "pooling"] = "generate"
    renames: tuple[tuple[str, str], ...] = ()
    state_dtype: str | None = None
    provenance: Provenance = "derived"
    assumptions: tuple[str, ...] = ()
    parameters: int | None = None
    hints: frozenset[str] = frozenset()
    kv_cache_dtype: str = "auto"
    residual_streams: int = 1
    draft: Draft | None = None

    @property
    def caches(self) -> Iterator[CacheLayer]:
        """What its layers keep in the KV cache, once a run."""
        return (cache for run in self.runs for cache in run.layer.caches)

    @property
    def has_experts(self) -> bool:
        """Whether some layer is a mixture of experts."""
        return any(isinstance(module, Experts) for run in self.runs for module in run.layer.modules)

    @property
    def chunks_prefill(self) -> bool:
        """Whether vLLM splits long prompts: not of encoder-decoders, nor where pooling keeps no cache or asks for all."""
        whole = not self.hints.isdisjoint({"whole_prompts", "encoder_decoder"})
        return not whole and (self.runner != "pooling" or any(run.layer.caches for run in self.runs))

    @property
    def largest_whole_item(self) -> int:
        """Tokens of the largest image or video, where attention sees it whole ("mm_prefix_lm"); else 0."""
        if "mm_prefix_lm" not in self.hints:
            return 0
        return max((encoder.max_item_tokens for encoder in self.encoders), default=0)
