"""Vision and audio towers in the profile run."""

from __future__ import annotations

from vram.architecture.runners import profiles_towers
from vram.estimate.memory.profile_run import ProfileRun
from vram.models.record import frozen
from vram.models.spec import Encoder

_PATCH_ELEMENTS = 3 * 14 * 14


@frozen(kw_only=True)
class TowerMemory:
    """`kept`: inputs and embeddings that stay through the text pass; `peak`: the tower's own pass, with them."""

    kept: int
    peak: int


def tower_memory(run: ProfileRun) -> TowerMemory:
    """Bytes of profiling the modality whose items are largest.

    vLLM encodes as many items of the largest size as the budget of max(max_num_batched_tokens, largest item) holds,
    keeps their embeddings in the encoder cache and the input tensors in a local variable until the run ends.
    Source: `v1/worker/gpu_model_runner.py:profile_run` (0.11.2, 0.19.1), `gpu/mm/encoder_runner.py` (0.33.0).
    """
    encoders = [encoder for encoder in run.encoders if _limit(run, encoder) > 0]
    if not encoders or not profiles_towers(run.version, v2_runner=run.v2_runner):
        return TowerMemory(kept=0, peak=0)
    encoder = max(encoders, key=lambda one: one.max_item_tokens)
    budget = max(run.tokens, encoder.max_item_tokens)
    items = max(1, min(budget // max(encoder.max_item_tokens, 1), run.max_num_seqs * _limit(run, encoder)))
    width = encoder.output_width or run.shapes.hidden
    tokens = encoder.profiled_tokens or encoder.max_item_tokens
    share = (tokens, encoder.max_item_tokens) if encoder.profiled_tokens else (1, 1)
    patches, given = (size * share[0] // share[1] for size in (encoder.patches, encoder.input_elements))
    inputs = items * (given or patches * _PATCH_ELEMENTS)
    outputs = items * tokens * width
    if (0, 11, 0) <= run.version < (0, 12, 0) and tokens < budget:
        outputs = items * budget * width  # each item's embeddings were copied into a whole budget's worth of rows
    shards = run.tp if encoder.tensor_parallel else 1
    mlp = (3 if encoder.gated else 2) * encoder.mlp_width // shards
    live = items * patches * (4 * encoder.width + mlp)
    return TowerMemory(kept=run.item * (inputs + outputs), peak=run.item * (inputs + max(live, outputs)))


def _limit(run: ProfileRun, encoder: Encoder) -> int:
    return dict(run.item_limits).get(encoder.modality, 999)
