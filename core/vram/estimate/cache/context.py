"""Everything the KV cache planner must know besides the layers."""

from __future__ import annotations

from typing import Literal

from vram.models.kv_dtype import KVCacheDtype
from vram.models.record import frozen
from vram.vllm.cache_rules import CacheRules, cache_rules
from vram.vllm.versions import Behaviour

StateMode = Literal["none", "align", "all"]

#: the last version whose only stable engine was V0; its rules hold wherever that engine serves
_LAST_V0 = (0, 7, 3)


@frozen(kw_only=True, cache_hash=True)
class CacheContext:
    """A deployment as its KV cache sees it; names are vLLM's.

    `dtype` is the model's, `kv_dtype` what its layers store ("auto" only where nothing else asks for a dtype).
    `block_size` is --block-size. With `auto_fit_max_model_len` (--max-model-len -1) `max_model_len` is the model's
    own maximum and the plan says what fits.

    Steps in flight decide how many tokens a sliding window must hold: `async_scheduling` is None where vLLM's default rules,
    and with several pipeline ranks they depend on whether Model Runner V2 serves. `v0_engine` is
    None to take the version's default. `is_hybrid` is None to take any model with recurrent state and attention for one;
    `mamba_cache_mode` is None for the default of the version. `mm_prefix` is attention that sees images both ways,
    `uneven_heads` a model that asks for one FlashAttention version for all its layers.
    """

    behaviour: Behaviour
    dtype: str
    kv_dtype: KVCacheDtype
    max_model_len: int
    max_num_seqs: int
    max_num_batched_tokens: int
    tensor_parallel_size: int = 1
    pipeline_parallel_size: int = 1
    decode_context_parallel_size: int = 1
    block_size: int | None = None
    num_gpu_blocks_override: int | None = None
    num_speculative_tokens: int = 0
    compute_capability: tuple[int, int] = (9, 0)
    mamba_cache_dtype: str = "auto"
    mamba_ssm_cache_dtype: str = "auto"
    mamba_cache_mode: str | None = None
    mamba_block_size: int | None = None
    enable_prefix_caching: bool | None = None
    is_hybrid: bool | None = None
    disable_hybrid_kv_cache_manager: bool = False
    auto_fit_max_model_len: bool = False
    async_scheduling: bool | None = None
    model_runner_v2: bool = True
    v0_engine: bool | None = None
    full_cuda_graphs: bool = True
    runner: Literal["generate", "pooling"] = "generate"
    num_attention_heads: int = 0
    attention_backend: str | None = None
    mm_prefix: bool = False
    uneven_heads: bool = False

    @property
    def rules(self) -> CacheRules:
        """How this vLLM version plans its cache."""
        return cache_rules(_LAST_V0 if self.uses_v0_engine else self.behaviour.version)

    @property
    def uses_v0_engine(self) -> bool:
        """Whether the old engine serves: always before 0.8, and where the deployment says so."""
        return not self.behaviour.v1 if self.v0_engine is None else self.v0_engine

    @property
    def in_flight_tokens(self) -> int:
        """Tokens scheduled but not yet settled, which sliding windows keep besides the window itself.

        `config/vllm.py:max_in_flight_tokens` (0.26 and later): batches in flight × max_num_batched_tokens, where
        asynchronous scheduling runs one batch ahead; before 0.26 one batch counted.
        """
        if not self.behaviour.in_flight_windows:
            return self.max_num_batched_tokens
        batches = self.pipeline_parallel_size
        # the V1 model runner runs ahead on a single pipeline rank only
        ahead = self.runner == "generate" and (self.model_runner_v2 or batches == 1)
        if ahead and self.async_scheduling is not False:
            batches += 1
        return batches * self.max_num_batched_tokens

    @property
    def encoder_tokens(self) -> int:
        """Encoder tokens of one request, which cross attention keeps."""
        return self.max_num_batched_tokens
