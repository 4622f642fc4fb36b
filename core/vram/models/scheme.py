"""The contract of a quantization scheme: which module is stored how, tensor by tensor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Literal

from vram.dtypes import dtype_bits
from vram.models.checkpoint import Inventory
from vram.models.config import ModelConfig
from vram.models.parameters import LocalExperts, LocalLinear, Tensor, ceil_div
from vram.models.record import field, frozen


@frozen(kw_only=True)
class StoredTensor:
    """One tensor vLLM creates for a module: `elements` of `dtype`.

    `kept_bytes` is what remains of it after `process_weights_after_loading` (repacking may drop zeros or
    pad tiles); None means unchanged.
    """

    name: str
    elements: int
    dtype: str
    kept_bytes: int | None = None

    @property
    def created_bytes(self) -> int:
        return ceil_div(self.elements * dtype_bits(self.dtype), 8)

    @property
    def loaded_bytes(self) -> int:
        return self.created_bytes if self.kept_bytes is None else self.kept_bytes


class Format(ABC):
    """How one linear or one set of experts is stored. Instances are hashable and know no names."""

    @abstractmethod
    def linear(self, shape: LocalLinear) -> tuple[StoredTensor, ...]:
        """The tensors of a linear without its bias."""

    @abstractmethod
    def experts(self, shape: LocalExperts) -> tuple[StoredTensor, ...]:
        """The tensors of a fused mixture-of-experts layer, its biases included."""

    @property
    def needs(self) -> str:
        """What another platform than CUDA is asked for by name ("fp8_tensor"), "" where its list of methods decides."""
        return ""

    @property
    @abstractmethod
    def bits_per_weight(self) -> float:
        """Bits of memory that one weight takes with its share of scales and zeros, about: what `linear` and `experts` make is held
        against it, and reading speed is reckoned from it.
        """


@frozen(kw_only=True)
class ModuleRef:
    """A module as ignore lists name it.

    `name` is vLLM's full name (`model.layers.0.self_attn.qkv_proj`). `parts` are the full names of what it fuses
    (`model.layers.0.self_attn.q_proj` ...), empty or the name itself where it fuses nothing; of experts, the first
    expert's projections (`model.layers.0.mlp.experts.0.gate_proj` ...) or nothing.
    """

    name: str
    parts: tuple[str, ...] = ()
    kind: Literal["linear", "experts", "lm_head", "embedding"]


class Quantization(ABC):
    """A scheme bound to one checkpoint: says for each module how it is stored."""

    #: vLLM's name of the method ("awq", "compressed-tensors"), as its config shows it
    name: str
    #: KV cache dtype the checkpoint asks for, or None
    kv_cache_dtype: str | None = None
    #: whether it stores embedding tables in a format too (kind "embedding"); the core does not ask otherwise
    embeddings: bool = False
    #: lowest compute capability of what this checkpoint needs; None: the scheme's
    min_capability: tuple[int, int] | None = None
    #: online: the whole model in its own dtype is on the GPU first, `instead` of or `besides` what is quantized from it
    whole_model_first: Literal["", "instead", "besides"] = ""
    #: dtypes of the model it runs in; empty: the scheme's
    dtypes: tuple[str, ...] = ()
    #: what was assumed or would surprise, as sentences
    notes: tuple[str, ...] = ()
    #: why this vLLM version would not start with the checkpoint, as sentences for the verdict
    refusals: tuple[str, ...] = ()

    @abstractmethod
    def format_for(self, module: ModuleRef) -> Format | None:
        """The module's format, or None where it stays unquantized."""

    def attention_tensors(self, num_kv_heads: int) -> tuple[Tensor, ...]:
        """Scales an attention layer gets besides the four every layer has.

        `num_kv_heads` is the whole model's, 0 for latent attention, which not every method knows.
        """
        del num_kv_heads
        return ()


@frozen(kw_only=True)
class QuantizationRequest:
    """What a scheme is bound to.

    `config` is the checkpoint's `quantization_config` (or `hf_quant_config.json`), empty when
    `--quantization` quantizes an unquantized checkpoint online; `requested` is that flag. `compute_capability` and
    `vllm_version` decide the kernels and with them what stays after loading. `inventory` tells which modules are
    stored quantized where the block does not (AWQ, GPTQ). `model` is config.json. `hypothetical`: there is no checkpoint,
    `requested` is to be sized as its quantizer would usually write it (`QuantizationScheme.typical`). `moe_backend` and
    `lora` are the arguments that move experts to other kernels.
    """

    method: str
    config: Mapping[str, object] = field(factory=dict)
    requested: str | None = None
    compute_capability: tuple[int, int] | None = None
    vllm_version: tuple[int, int, int] = (0, 33, 0)
    renames: tuple[tuple[str, str], ...] = ()
    architecture: str = ""
    model: ModelConfig | None = None
    inventory: Inventory | None = None
    hypothetical: bool = False
    moe_backend: str = "auto"
    lora: bool = False


class QuantizationScheme(ABC):
    """One quantization format a plugin adds.

    `name` is unique. `methods` are the `quant_method` values (and `--quantization` names) it answers for;
    `accepts` are further `--quantization` names that agree with such a checkpoint ("*": any, which it overrides).
    `min_capability` is the lowest compute capability vLLM runs it on, as (major, minor). `since` and `removed` are the
    first vLLM versions with it and without it again; from the first to the second of `deprecated` (None: to this day)
    vLLM starts it only with `--allow-deprecated-quantization`. `dtypes` are those of the model vLLM runs it in, empty for
    any. `online` schemes quantize an unquantized checkpoint while it is loaded.
    """

    name: str
    methods: tuple[str, ...]
    min_capability: tuple[int, int] = (7, 0)
    since: tuple[int, int, int] = (0, 0, 0)
    removed: tuple[int, int, int] | None = None
    deprecated: tuple[tuple[int, int, int], tuple[int, int, int] | None] | None = None
    dtypes: tuple[str, ...] = ()
    online: bool = False
    accepts: tuple[str, ...] = ()

    def claims(self, request: QuantizationRequest) -> bool:
        """Whether it takes this checkpoint although `request.method` is another scheme's.

        vLLM's `override_quantization_method`: DeepSeek V4's "fp8", gpt-oss's "mxfp4".
        """
        del request
        return False

    def typical(self, method: str) -> Mapping[str, object] | None:
        """The block a quantizer usually writes for `method`, for sizing what is not there yet; None where none is usual."""
        del method
        return None

    @abstractmethod
    def bind(self, request: QuantizationRequest) -> Quantization:
        """Read the checkpoint's block. Raises QuantizationError on what it cannot be."""
