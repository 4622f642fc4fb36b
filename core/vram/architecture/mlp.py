"""Feed-forward blocks: gated, plain, and mixture of experts."""

from __future__ import annotations

from vram.architecture.parts import Part
from vram.models.parameters import Experts, Linear, Module, Split, Tensor


def gated_mlp(
    *,
    hidden_size: int,
    intermediate_size: int,
    bias: bool = False,
    name: str = "mlp",
    up_name: str = "gate_up_proj",
    down_name: str = "down_proj",
    sources: tuple[str, ...] = ("gate_proj", "up_proj"),
    down_bias: bool | None = None,
) -> Part:
    """SwiGLU and its relatives: (2·I, H) column-parallel, (H, I) row-parallel.

    `down_bias` is the bias of the second one, where it differs from the first's.
    """
    return Part(
        modules=(
            Linear(
                name=f"{name}.{up_name}",
                inputs=hidden_size,
                outputs=(Split(size=intermediate_size), Split(size=intermediate_size)),
                bias=bias,
                sources=tuple(f"{name}.{source}" for source in sources),
            ),
            Linear(
                name=f"{name}.{down_name}",
                inputs=intermediate_size,
                outputs=(Split(size=hidden_size),),
                parallel="row",
                bias=bias if down_bias is None else down_bias,
                sources=(f"{name}.{down_name}",),
            ),
        )
    )


def plain_mlp(
    *,
    hidden_size: int,
    intermediate_size: int,
    bias: bool = True,
    name: str = "mlp",
    up_name: str = "fc1",
    down_name: str = "fc2",
) -> Part:
    """Two linears with an activation between: (I, H) column-parallel, (H, I) row-parallel."""
    dot = f"{name}." if name else ""
    return Part(
        modules=(
            Linear(
                name=f"{dot}{up_name}",
                inputs=hidden_size,
                outputs=(Split(size=intermediate_size),),
                bias=bias,
                sources=(f"{dot}{up_name}",),
            ),
            Linear(
                name=f"{dot}{down_name}",
                inputs=intermediate_size,
                outputs=(Split(size=hidden_size),),
                parallel="row",
                bias=bias,
                sources=(f"{dot}{down_name}",),
            ),
        )
    )


def moe(
    *,
    hidden_size: int,
    num_experts: int,
    intermediate_size: int,
    top_k: int,
    name: str = "mlp",
    gated: bool = True,
    expert_bias: bool = False,
    router_bias: bool = False,
    router_dtype: str | None = None,
    router_name: str = "gate",
    router_quantizable: bool = False,
    correction_bias: bool = False,
    shared_intermediate: int = 0,
    shared_gate: bool = False,
    shared_name: str = "shared_experts",
    expert_names: tuple[str, ...] = ("gate_proj", "up_proj", "down_proj"),
    shared_bias: bool = False,
    experts_quantizable: bool = True,
    activation: str = "silu",
    routing: str | None = None,
) -> Part:
    """A router (E, H) replicated on every rank, fused experts, and optionally shared experts.

    `correction_bias` is DeepSeek's e_score_correction_bias, one fp32 per expert. `shared_gate` is the (1, H) gate of
    Qwen2-MoE's shared expert. `expert_names` are the checkpoint's names of one expert's projections.
    `experts_quantizable` is False where vLLM keeps experts as plain parameters. `activation` and `routing` are as in
    `Experts`; a router that does not say is the usual one of its kind, with or without a correction bias.
    """
    modules: list[Module] = [
        Linear(
            name=f"{name}.{router_name}",
            inputs=hidden_size,
            outputs=(Split(size=num_experts),),
            parallel="replicated",
            bias=router_bias,
            quantizable=router_quantizable,
            dtype=router_dtype,
            sources=(f"{name}.{router_name}",),
        ),
        Experts(
            name=f"{name}.experts",
            num_experts=num_experts,
            hidden_size=hidden_size,
            intermediate_size=intermediate_size,
            top_k=top_k,
            gated=gated,
            bias=expert_bias,
            quantizable=experts_quantizable,
            activation=activation,
            routing=routing or routing_method(biased=correction_bias),
            sources=tuple(f"{name}.experts.0.{projection}" for projection in expert_names),
        ),
    ]
    if correction_bias:
        modules.append(
            Tensor(name=f"{name}.{router_name}.e_score_correction_bias", shape=(num_experts,), dtype="float32")
        )
    if shared_intermediate:
        shared = gated_mlp if gated else _plain_shared
        part = shared(
            hidden_size=hidden_size,
            intermediate_size=shared_intermediate,
            name=f"{name}.{shared_name}",
            bias=shared_bias,
        )
        modules.extend(part.modules)
    if shared_gate:
        modules.append(
            Linear(
                name=f"{name}.shared_expert_gate",
                inputs=hidden_size,
                outputs=(Split(size=1),),
                parallel="replicated",
                quantizable=False,
                sources=(f"{name}.shared_expert_gate",),
            )
        )
    return Part(modules=tuple(modules))


def routing_method(
    *, scoring: str | None = None, renormalize: bool = True, groups: int = 1, biased: bool = False
) -> str:
    """`Experts.routing` of a router: how scores become weights, over `groups` of experts.

    `fused_moe/config.py:get_routing_method_type` (0.33.0). Without `scoring` it is sigmoid for biased routers, softmax
    for the others.
    """
    scoring = scoring or ("sigmoid" if biased else "softmax")
    if scoring == "sqrtsoftplus":
        return "deepseek_v4" if renormalize else "unspecified"
    if biased:
        known = scoring == "sigmoid" and renormalize
        return ("deepseek_v3" if groups else "minimax2") if known else "unspecified"
    if scoring == "sigmoid":
        return "sigmoid_renorm" if renormalize else "sigmoid"
    if scoring == "softmax":
        return "renormalize" if renormalize else "default"
    return "unspecified"


def _plain_shared(*, hidden_size: int, intermediate_size: int, name: str, bias: bool = False) -> Part:
    return plain_mlp(
        hidden_size=hidden_size,
        intermediate_size=intermediate_size,
        bias=bias,
        name=name,
        up_name="up_proj",
        down_name="down_proj",
    )
