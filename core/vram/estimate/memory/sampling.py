"""Logits and sampling in the profile run: (rows, vocabulary) tensors, the largest part of most peaks."""

from __future__ import annotations

from vram.architecture.runners import sampler_bytes_per_logit
from vram.estimate.memory.profile_run import ProfileRun
from vram.models.interval import Interval

_FLASHINFER_CHOICE_UNTIL = (0, 11, 1)  # FlashInfer sampled wherever it was installed; afterwards only on request
_SPECULATION_BYTES = 6  # random draft logits and the target's fp32 copy beside the sampler's own, assumed


def sampler_peak(run: ProfileRun) -> Interval:
    """Bytes alive at the worst point of sampling `rows` requests.

    bytes-per-logit × rows × vocabulary, plus the scratch of the Triton top-k/top-p kernel (fp32, one row per streaming
    multiprocessor, 0.17 to 0.21; `topk_topp_triton.py`), plus the forward's hidden states (tokens, hidden), which are
    still referenced. Not divided by TP: logits are gathered first. Pooling models do not sample.
    """
    if not run.generates:
        return Interval.exact(0)
    logits = run.rows * run.shapes.vocabulary
    kept = run.tokens * run.shapes.hidden * run.item
    derived = sampler_bytes_per_logit(run.version, v2_runner=run.v2_runner, rows=run.rows, logit_bytes=run.item)
    asked = run.environment.flashinfer_sampler
    drafting = _SPECULATION_BYTES * logits if run.speculative_tokens and not run.v2_runner else 0
    if derived is not None:
        return Interval.exact(int(derived * logits) + _scratch(run) + kept + drafting)
    sort = run.constant("sampler_sort_bytes")
    low, flashinfer = sort.low, run.item + 8  # an fp32 copy and probabilities beside the logits
    if asked and run.version >= (0, 8, 0):
        return Interval.exact(int(flashinfer * logits) + kept + drafting, "assumed")
    if sampler_unknown(run):
        low = flashinfer
    return Interval(
        low=int(low * logits) + kept + drafting,
        expected=int(sort.value * logits) + kept + drafting,
        high=int(sort.high * logits) + kept + drafting,
        provenance=sort.provenance,
    )


def sampler_unknown(run: ProfileRun) -> bool:
    """Whether FlashInfer samples if it is installed, as in the container images, and nothing says whether it is; V0 asks for it."""
    known = run.v0_engine or not run.generates or run.environment.flashinfer_sampler is not None
    return (0, 8, 0) <= run.version < _FLASHINFER_CHOICE_UNTIL and not known


def _scratch(run: ProfileRun) -> int:
    asked, triton = run.environment.flashinfer_sampler, (0, 17, 0) <= run.version < (0, 22, 0)
    if run.v2_runner or run.version < (0, 17, 0) or not (triton if asked is None else not asked):
        return 0
    return min(run.sms, run.rows) * run.shapes.vocabulary * 4


def sampler_state_bytes(run: ProfileRun) -> int:
    """Tables of Model Runner V2 that live from before the profile run on.

    Output counts (rows, vocabulary) int32, prompt mask of one bit per entry, structured-output bitmask of one bit;
    logit bias, allowed and bad words (3 + 1) × 1024 × 4 bytes per request; two block tables of int32, their width
    rounded to 128 tokens' worth. Source: `v1/worker/gpu/sample/{penalties,logit_bias,bad_words}.py`,
    `gpu/block_table.py` (0.33.0).
    """
    if not run.v2_runner:
        return 0
    requests, vocabulary = run.max_num_seqs, run.shapes.vocabulary
    width = -(-run.max_model_len // 16)
    width = -(-width // 128) * 128
    tables = requests * (vocabulary * 4 + 2 * -(-vocabulary // 8))
    return tables + requests * (4 * 1024 * 4 + 129 * 4) + 2 * requests * width * 4
