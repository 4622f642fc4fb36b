"""Workspaces of the fused mixture-of-experts kernels."""

from __future__ import annotations

from vram.architecture.runners import keeps_moe_workspace
from vram.estimate.memory.profile_run import ProfileRun
from vram.estimate.memory.shapes import ExpertShapes

_CHUNKS = (((0, 12, 0), 32768), ((0, 18, 0), 16384))  # VLLM_FUSED_MOE_CHUNK_SIZE below that version; none later


def moe_workspace_bytes(run: ProfileRun) -> int:
    """The two workspaces of the largest experts layer; all layers share them.

    (tokens, top_k, max(activation width, H)) and (tokens, top_k, max(up width, H)) in the activation dtype, with the
    activation width I/tp and the up width 2·I/tp (I/tp where not gated). Source: `fused_moe/fused_moe.py` and
    `modular_kernel.py` (`workspace_shapes`; 0.19.1, 0.33.0). Kernels that bring their own buffers need none, see
    `_needs_workspace`.
    """
    return max(
        (_workspace(run, experts) for experts in run.shapes.experts if _needs_workspace(run, experts)), default=0
    )


def keeps_workspace(run: ProfileRun) -> bool:
    """Whether the workspace stays allocated after the forward. In 0.11.0 block-wise fp8 runs Triton's function, which makes its own
    and frees it, where DeepGEMM does not take layers as narrow as this (`fused_moe/deep_gemm_moe.py:_valid_deep_gemm`).
    """
    if (
        run.elsewhere
    ):  # with Triton's own buffers in 0.11 (starts of DeepSeek-R1 on MI300X under 0.11.2 and 0.13 print one figure)
        return keeps_moe_workspace(run.version) and run.version >= (0, 14, 0)
    narrow = any(one.kernel == "fp8_block" and one.local.intermediate_size <= 512 for one in run.shapes.experts)
    return keeps_moe_workspace(run.version) and not (narrow and run.version == (0, 11, 0))


def moe_passing_bytes(run: ProfileRun) -> int:
    """What kernels with their own buffers hold during the forward only: (tokens, top_k, up + activation + H)."""
    found = [0]
    for experts in run.shapes.experts:
        if not _needs_workspace(run, experts):
            shape = experts.local
            width = shape.up_rows + shape.intermediate_size + shape.hidden_size
            found.append(_rows(run, experts) * width * run.item)
    return max(found)


def _workspace(run: ProfileRun, experts: ExpertShapes) -> int:
    shape = experts.local
    up, activation = max(shape.up_rows, shape.hidden_size), shape.intermediate_size
    if run.version > (0, 11, 0) or keeps_workspace(
        run
    ):  # Triton's function gives the activation no room for the output
        activation = max(activation, shape.hidden_size)
    return _rows(run, experts) * (activation + up) * run.item


def _rows(run: ProfileRun, experts: ExpertShapes) -> int:
    """Tokens × top_k in one call of the kernel."""
    tokens = run.tokens * run.dp  # every data-parallel rank's tokens are gathered
    for until, chunk in _CHUNKS:
        if run.version < until:
            tokens = min(tokens, run.environment.chunk_tokens or chunk)
            break
    return tokens * experts.local.top_k


def _needs_workspace(run: ProfileRun, experts: ExpertShapes) -> bool:
    """Kernels chosen by format and GPU (`fused_moe/oracle/*.py`).

    MXFP4 uses FlashInfer's kernels on 10.x, gpt-oss Triton's on 9.0 (others Marlin's, as below it); NVFP4 and block-wise
    fp8 FlashInfer's on 10.x.
    Measured on logs: block-wise fp8 on 9.0 takes none from 0.15 to 0.17, experts without gate none since 0.15.
    """
    if run.elsewhere:
        return True
    if experts.kernel == "mxfp4":
        return run.capability < ((9, 0) if run.architecture.startswith("GptOss") else (10, 0))
    if experts.kernel == "nvfp4":
        return run.capability < (10, 0)
    if experts.kernel == "fp8_block" and (run.capability[0] == 10 or (0, 15, 0) <= run.version < (0, 18, 0)):
        return False
    return experts.local.gated or run.version < (0, 15, 0)
