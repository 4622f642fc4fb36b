"""What vLLM's profile run is called with: the facts every part of the overhead arithmetic shares."""

from __future__ import annotations

from functools import cached_property

from vram.architecture.graph_choice import graph_choice
from vram.architecture.runners import reduces_symmetrically
from vram.dtypes import dtype_bytes
from vram.estimate.memory.constants import NOTHING, constants_of
from vram.estimate.memory.shapes import ModelShapes, model_shapes
from vram.estimate.weights.ranks import Parallelism
from vram.estimate.weights.resolved import ResolvedModel
from vram.models.deployment import Deployment
from vram.models.platform import Chip
from vram.models.profile import Constant, OverheadProfile
from vram.models.record import field, frozen
from vram.models.spec import Encoder
from vram.vllm.capture import GraphChoice
from vram.vllm.environment import Environment, decided_by
from vram.vllm.versions import Version


@frozen(kw_only=True, eq=False)
class ProfileRun:
    """One profile run. `tokens` run forward at once, `rows` of them are sampled; `item` is the dtype's bytes.

    `gathered_tokens` is the context that sparse attention makes room for, 0 without. `nccl`: NCCL reduces over ranks, as
    vLLM's own all-reduce needs NVLink or xGMI between more than two GPUs and peer access between two, and may be switched off. `gathers`:
    compiled code looks the tokens up in the embedding; of images and audio it is handed what was looked up before.
    """

    shapes: ModelShapes
    version: Version
    capability: tuple[int, int]
    sms: int
    architecture: str
    tokens: int
    rows: int
    max_num_seqs: int
    max_model_len: int
    gathered_tokens: int
    loaded_workspace: int
    item: int
    tp: int
    pp: int
    dp: int
    nccl: bool
    gathers: bool
    graphs: GraphChoice
    speculative_tokens: int
    generates: bool
    v0_engine: bool
    v2_runner: bool
    encoders: tuple[Encoder, ...]
    item_limits: tuple[tuple[str, int], ...]
    profile: OverheadProfile
    environment: Environment = field(factory=Environment)

    @property
    def elsewhere(self) -> bool:
        """Whether it runs on another platform than CUDA."""
        return isinstance(self.capability, Chip)

    @cached_property
    def _constants(self) -> dict[str, Constant]:
        return constants_of(self.profile, self.version)

    def constant(self, name: str) -> Constant:
        """A measured constant of the profile for this version."""
        return self._constants.get(name) or NOTHING


def profile_run(
    model: ResolvedModel,
    deployment: Deployment,
    parallel: Parallelism,
    profile: OverheadProfile,
    loaded_workspace: int = 0,
) -> ProfileRun:
    """Collect the facts; `loaded_workspace` is what of vLLM's shared workspace counts as weights. Raises ParallelismError."""
    spec, args, gpu = model.spec, deployment.args, deployment.gpu
    shapes = model_shapes(model, parallel, deployment.dtype)
    version = deployment.vllm_version
    tokens, limits = deployment.max_num_batched_tokens, _item_limits(deployment)
    return ProfileRun(
        shapes=shapes,
        version=version,
        capability=gpu.compute_capability,
        sms=gpu.sm_count or 132,
        architecture=spec.architecture,
        tokens=tokens,
        rows=min(deployment.max_num_seqs, tokens),
        max_num_seqs=deployment.max_num_seqs,
        max_model_len=deployment.max_model_len,
        gathered_tokens=deployment.max_model_len if shapes.sparse else 0,
        loaded_workspace=loaded_workspace,
        item=dtype_bytes(deployment.dtype),
        tp=deployment.tp,
        pp=deployment.pp,
        dp=args.data_parallel_size,
        nccl=_reduces_by_nccl(deployment),
        gathers=not any(dict(limits).get(encoder.modality, 1) for encoder in spec.encoders),
        graphs=graph_choice(args, version, spec),
        speculative_tokens=deployment.num_speculative_tokens,
        generates=spec.runner == "generate",
        v0_engine=deployment.v0_engine,
        v2_runner=deployment.v2_runner,
        encoders=() if args.skip_mm_profiling else spec.encoders,
        item_limits=limits,
        profile=profile,
        environment=decided_by(args.environment, version),
    )


def _reduces_by_nccl(deployment: Deployment) -> bool:
    gpu, tp = deployment.gpu, deployment.tp
    if tp == 1 or gpu.link not in ("nvlink", "xgmi"):
        return tp > 1
    symmetric = reduces_symmetrically(deployment.vllm_version, capability=gpu.compute_capability, tp=tp)
    return deployment.args.disable_custom_all_reduce and not symmetric


def _item_limits(deployment: Deployment) -> tuple[tuple[str, int], ...]:
    """`--limit-mm-per-prompt` as counts; a mapping with a "count" is vLLM's longer form."""
    limits = []
    for modality, value in (deployment.args.limit_mm_per_prompt or {}).items():
        count = value.get("count", 999) if isinstance(value, dict) else value
        if isinstance(count, int) and not isinstance(count, bool) and count >= 0:
            limits.append((str(modality), count))
    return tuple(limits)
