"""The answer: Estimate, with the names of the JSON contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from vram.models.interval import Interval
from vram.models.record import field, frozen, plain

Certainty = Literal["likely", "borderline", "unlikely"]
OomRisk = Literal["low", "medium", "high"]
SCHEMA_VERSION = 1


@frozen(kw_only=True)
class ModelFacts:
    """The model the answer is about; `stands_in`: its facts are in place of the Hub's, which has not answered yet."""

    id: str
    architecture: str
    source: str
    parameters: int
    dtype: str
    quantization: str | None
    max_model_len: int
    stands_in: bool = False


@frozen(kw_only=True)
class DeploymentFacts:
    """The deployment the answer is about, every default filled in; `used_memory_bytes` is what other processes hold of each GPU,
    None where nobody said.
    """

    vllm_version: str
    gpu: str
    gpu_memory_bytes: int
    gpu_memory_utilization: float
    tensor_parallel_size: int
    pipeline_parallel_size: int
    max_model_len: int
    max_num_seqs: int
    max_num_batched_tokens: int
    kv_cache_dtype: str
    block_size: int
    concurrency: int
    profile: str
    data_parallel_size: int = 1
    enable_expert_parallel: bool = False
    enforce_eager: bool = False
    used_memory_bytes: int | None = None
    platform: str = "cuda"


@frozen(kw_only=True)
class Memory:
    """Bytes per GPU of the most loaded rank."""

    weights: Interval
    activation_peak: Interval
    cuda_graphs: Interval
    non_torch: Interval
    kv_cache_required: Interval
    budget_bytes: int
    kv_cache_available: Interval
    headroom: Interval


@frozen(kw_only=True)
class Rank:
    """One pipeline rank. `parameter_bytes` as vLLM creates, `weights_bytes` as it holds after loading."""

    pipeline_rank: int
    parameter_bytes: int
    weights_bytes: int
    cache_layers: int


@frozen(kw_only=True)
class KvGroupFacts:
    """One KV cache group of vLLM's plan."""

    kind: str
    layers: int
    block_size: int
    page_bytes: int


@frozen(kw_only=True)
class KvCacheFacts:
    """The KV cache in vLLM's words."""

    dtype: str
    block_size: int
    bytes_per_token: int
    num_blocks: int
    tokens: int
    max_concurrency: float
    estimated_max_model_len: int | None
    groups: tuple[KvGroupFacts, ...]


@frozen(kw_only=True)
class Check:
    """One of vLLM's start-up checks, in its order and words; `fix` is one change with which, alone, vLLM starts."""

    name: str
    passed: bool
    message: str
    fix: str | None = None


@frozen(kw_only=True)
class Limits:
    """The largest context at the asked concurrency and the most users at the asked context."""

    max_context_at_concurrency: int
    max_concurrency_at_context: int


@frozen(kw_only=True)
class Change:
    """Arguments which, put into the same call, start and fit: all that it takes, `words` of the command line, and what it costs.

    `arguments` are those of `vram.estimate`, None where one that was given goes; `limits` those of the changed deployment.
    """

    arguments: Mapping[str, Any]
    words: str
    gives_up: str
    limits: Limits


@frozen(kw_only=True)
class Verdict:
    """`starts`: every start-up check passes. `fits`: the asked context × concurrency fits with headroom.

    `certainty` is of starting: `likely` and `unlikely` hold over the whole interval of the KV pool, `borderline` does not.
    `changes` are ways out of a deployment that does not surely start, or fit, those first that give up least; `no_change` says why
    there is none.
    """

    starts: bool
    fits: bool
    oom_risk: OomRisk
    checks: tuple[Check, ...]
    warnings: tuple[str, ...]
    certainty: Certainty = "likely"
    changes: tuple[Change, ...] = ()
    no_change: str | None = None


@frozen(kw_only=True)
class ProvenanceNote:
    """Where one component's number is from."""

    component: str
    source: str
    note: str


@frozen(kw_only=True)
class Host:
    """Bytes beside the GPUs, all machines together: at least `low`, `high` to be sure; of what, `provenance` says."""

    ram: Interval
    shared_memory: Interval
    disk: Interval


@frozen(kw_only=True)
class Estimate:
    """The whole answer. `to_dict()` is the JSON contract. `left_out` says what was read and does not count, with the direction in
    which the answer is off, `assumed` what nobody said and was taken for granted.
    """

    left_out: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    model: ModelFacts
    deployment: DeploymentFacts
    memory: Memory
    ranks: tuple[Rank, ...]
    kv_cache: KvCacheFacts
    verdict: Verdict
    limits: Limits
    host: Host
    provenance: tuple[ProvenanceNote, ...]
    explanation: tuple[str, ...] = field(default=(), repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The JSON contract: plain dicts, lists, numbers and text. `explanation` is for people (`--explain`)."""
        content = plain(self)
        del content["explanation"]
        return {"schema_version": SCHEMA_VERSION, **content}
