"""Which models torch.compile does not run for: their CUDA graphs are broken where their classes say.

Source: vLLM `config/vllm.py:_maybe_enable_breakable_cudagraph`, `DEFAULT_BREAKABLE_CUDAGRAPH_ARCHITECTURES` (0.23.0 to 0.33.0, read
release by release).
"""

from __future__ import annotations

from collections.abc import Mapping

from vram.vllm.versions import Version

#: architectures by the first release that does not compile them
_SINCE: Mapping[str, Version] = {
    **dict.fromkeys(("DeepseekV4ForCausalLM", "DeepSeekV4MTPModel"), (0, 23, 0)),
    **dict.fromkeys(("MiniMaxM3SparseForCausalLM", "MiniMaxM3SparseForConditionalGeneration"), (0, 25, 0)),
    **dict.fromkeys(("InklingForCausalLM", "InklingForConditionalGeneration"), (0, 26, 0)),
    **dict.fromkeys(("KimiK3ForConditionalGeneration", "KimiK3MTPModel", "KimiLinearForCausalLM"), (0, 27, 1)),
    **dict.fromkeys(("DeepseekV32ForCausalLM", "DeepseekV32MTPModel", "GlmMoeDsaForCausalLM"), (0, 29, 0)),
    **dict.fromkeys(("Dots3NoteForCausalLM", "Dots3NoteMTPModel", "HYV4ForCausalLM", "HYV4MTPModel"), (0, 29, 0)),
    **dict.fromkeys(("DeepseekV41ForCausalLM", "DeepseekV4ForConditionalGeneration"), (0, 30, 0)),
    **dict.fromkeys(("Glm5NextForCausalLM", "Glm5NextForConditionalGeneration", "Glm5NextMTPModel"), (0, 30, 0)),
    **dict.fromkeys(("Qwen4ExpForCausalLM", "Qwen4ExpForConditionalGeneration", "Qwen4ExpMTP"), (0, 30, 0)),
    **dict.fromkeys(("AliceAIForCausalLM", "BeamForCausalLM", "MuseSpark1xForCausalLM"), (0, 33, 0)),
    **dict.fromkeys(
        ("MuseSparkForConditionalGeneration", "Step5ForCausalLM", "Step5ForConditionalGeneration"), (0, 33, 0)
    ),
}


def breaks_graphs(architecture: str, version: Version, variables: Mapping[str, str] | None) -> bool:
    """Whether VLLM_USE_BREAKABLE_CUDAGRAPH is on, by the variable or by vLLM's own choice."""
    given = (variables or {}).get("VLLM_USE_BREAKABLE_CUDAGRAPH", "").strip()
    if given and version >= (0, 22, 0):
        return given == "1"
    return architecture in _SINCE and version >= _SINCE[architecture]
