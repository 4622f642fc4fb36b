"""ROCm as vLLM has it: the record that is asked wherever NVIDIA's rules compare compute capabilities."""

from __future__ import annotations

from vram.models.platform import Chip, Devices, Platform
from vram.vllm.versions import FOREVER, Version
from vram_plugins.rocm.attention import ATTENTION, forced_blocks
from vram_plugins.rocm.chips import cdna, known
from vram_plugins.rocm.experts import experts
from vram_plugins.rocm.formats import cache_problem, problem
from vram_plugins.rocm.loading import left_by_loading
from vram_plugins.rocm.switches import VARIABLES, asked

#: Triton reads fp8 blocks on every chip, CDNA 2 and RDNA 3 among them; its linears take groups that a rank cuts
_EVERYWHERE = frozenset({"fp8", "cut_groups"})


#: what came with a release
_SINCE = {
    "sharded_latent_up": (0, 32, 0),
    "graph_estimate": (0, 26, 0),  # `gpu_worker.py:determine_available_memory`
    # served by the runner before V2 (`config/vllm.py:ROCM_DEFAULT_MRV1_ARCHITECTURES`)
    "v1_runner DeepseekV32ForCausalLM": (0, 29, 0),
    "v1_runner DeepseekV4ForCausalLM": (0, 29, 0),
    "v1_runner GlmMoeDsaForCausalLM": (0, 30, 0),
}


def _has(chip: Chip, what: str, version: Version) -> bool:
    if what == "mxfp4_indexer":  # `_maybe_default_dsv4_mxfp4_indexer`: CDNA 4 with AITER
        return cdna(chip.architecture) == 4 and asked(chip) and version >= (0, 33, 0)
    return what in _EVERYWHERE or version >= _SINCE.get(what, FOREVER)


def _allows(chip: Chip, backend: str) -> bool:
    """Whether `--moe-backend` may name a kernel there: AITER's where the environment switches it on."""
    if backend.startswith(("aiter", "flydsl")):
        return cdna(chip.architecture) >= 3 and asked(chip)
    return backend in {"triton", "triton_unfused", "batched_triton", "emulation", "rdna3"}


ROCM = Platform(
    name="rocm",
    title="AMD's GPUs (ROCm)",
    runtime="HIP",
    models=known,
    problem=problem,
    cache_problem=cache_problem,
    attention=ATTENTION,
    forced_blocks=forced_blocks,
    experts=experts,
    experts_backend=_allows,
    has=_has,
    loading=left_by_loading,
    variables=VARIABLES,
    devices=Devices(
        resource="amd.com/gpu",
        product_label="amd.com/gpu.product-name",
        image="vllm/vllm-openai-rocm",
        paths=("/dev/kfd", "/dev/dri"),
        groups=("video",),
        visible="HIP_VISIBLE_DEVICES",
    ),
)
