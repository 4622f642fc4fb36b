"""What a quantization scheme is asked: modules of usual sizes, whole and shared out."""

from __future__ import annotations

from collections.abc import Iterator

from vram.errors import PluginError, VramError
from vram.models.parameters import LocalExperts, LocalLinear
from vram.models.record import evolve
from vram.models.scheme import ModuleRef, Quantization, QuantizationRequest, QuantizationScheme

#: a qkv projection and eight experts, in sizes every group and tile divides
LINEAR = LocalLinear(
    inputs=4096,
    outputs=(4096, 1024, 1024),
    full_inputs=4096,
    full_outputs=(4096, 1024, 1024),
    parallel="column",
    tp=1,
    dtype="bfloat16",
)
EXPERTS = LocalExperts(
    experts=8,
    global_experts=8,
    hidden_size=2048,
    intermediate_size=1024,
    full_intermediate_size=1024,
    gated=True,
    bias=False,
    top_k=2,
    tp=1,
    dtype="bfloat16",
)
#: the same, shared out over two GPUs
SHARED = (evolve(LINEAR, outputs=(2048, 512, 512), tp=2), evolve(EXPERTS, intermediate_size=512, tp=2))
MODULES = (
    ModuleRef(name="model.layers.0.self_attn.qkv_proj", parts=("model.layers.0.self_attn.q_proj",), kind="linear"),
    ModuleRef(name="model.layers.0.mlp.experts", kind="experts"),
    ModuleRef(name="lm_head", kind="lm_head"),
)


def scheme_problems(scheme: QuantizationScheme) -> Iterator[str]:
    """Binding a typical block must give formats with plausible sizes, or a VramError."""
    for method in scheme.methods:
        config = scheme.typical(method) or {"quant_method": method}
        for capability in ((9, 0), (7, 5)):
            request = QuantizationRequest(method=method, config=config, compute_capability=capability)
            try:
                scheme.claims(request)
                bound = scheme.bind(request)
            except PluginError:
                raise
            except VramError:
                continue  # a block it cannot read, said in our words: fine
            _ask(bound)
    yield from ()


def _ask(bound: Quantization) -> None:
    """The border refuses what cannot be; a shape refused in our words is an answer. Raises PluginError."""
    bound.attention_tensors(8)
    for module in MODULES:
        form = bound.format_for(module)
        if form is None:
            continue
        for linear, experts in ((LINEAR, EXPERTS), SHARED):
            try:
                form.experts(experts) if module.kind == "experts" else form.linear(linear)
            except PluginError:
                raise
            except VramError:
                continue
