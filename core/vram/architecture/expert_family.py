"""Decoder families with a mixture of experts in some layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from vram.architecture.decoder import Dimensions
from vram.architecture.family import DecoderFamily, Flag, LayerKind, flag
from vram.architecture.mlp import moe, routing_method
from vram.architecture.parts import Part
from vram.architecture.placement import expert_layers
from vram.models.config import ModelConfig


class ExpertFamily(DecoderFamily):
    """A decoder whose feed-forward network is, in some layers, a mixture of experts.

    The fields of the config are looked up in order; `shared` is the field with the number of shared experts, each as
    wide as a routed one, `shared_width_field` the field with their whole width. Kernels ask how tokens are routed:
    `renormalize_field` says whether the chosen experts' scores are made to add up to one, `renormalized` where it is
    silent; `scoring` is the scores' function where vLLM's class fixes one; `grouped` whether a biased router chooses
    among groups of experts; `own_routing` marks classes with a routing
    function of their own.
    """

    experts_field: ClassVar[tuple[str, ...]] = (
        "num_experts",
        "num_local_experts",
        "n_routed_experts",
        "moe_num_experts",
    )
    top_k_field: ClassVar[tuple[str, ...]] = ("num_experts_per_tok", "moe_k", "moe_top_k", "moe_topk")
    width_field: ClassVar[tuple[str, ...]] = ("moe_intermediate_size", "intermediate_size")
    shared: ClassVar[tuple[str, ...]] = ("num_shared_experts", "n_shared_experts")
    shared_width_field: ClassVar[tuple[str, ...]] = ()
    block: ClassVar[str] = "mlp"
    router: ClassVar[str] = "gate"
    router_dtype: ClassVar[str | None] = None
    router_bias: ClassVar[bool] = False
    router_quantizable: ClassVar[bool] = False
    expert_bias: ClassVar[bool] = False
    activation: ClassVar[str] = "silu"
    scoring: ClassVar[str | None] = None
    renormalize_field: ClassVar[tuple[str, ...]] = ("norm_topk_prob",)
    renormalized: ClassVar[bool] = True
    grouped: ClassVar[bool] = True
    own_routing: ClassVar[bool] = False
    experts_quantizable: ClassVar[bool] = True
    expert_names: ClassVar[tuple[str, ...]] = ("gate_proj", "up_proj", "down_proj")
    correction_bias: ClassVar[Flag] = False
    shared_name: ClassVar[str] = "shared_experts"
    shared_gate: ClassVar[bool] = False
    dense_first: ClassVar[int] = 0

    def kinds(self, config: ModelConfig, dims: Dimensions) -> Sequence[LayerKind]:
        """The kind of each layer, in order."""
        windows = self.windows(config, dims)
        return [
            LayerKind(dims=dims, window=window, sparse=sparse)
            for window, sparse in zip(windows, self.sparse(config, dims), strict=True)
        ]

    def sparse(self, config: ModelConfig, dims: Dimensions) -> Sequence[bool]:
        """Whether each layer has experts."""
        return expert_layers(config, dims.num_hidden_layers, dense_first=self.dense_first)

    def feed_forward(self, config: ModelConfig, kind: LayerKind) -> Part:
        """Experts or the dense block."""
        return self.experts(config, kind) if kind.sparse else super().feed_forward(config, kind)

    def experts(self, config: ModelConfig, kind: LayerKind) -> Part:
        """The mixture of experts of a layer."""
        experts = config.integer(*self.experts_field)
        return moe(
            hidden_size=kind.dims.hidden_size,
            num_experts=experts,
            intermediate_size=self.expert_width(config),
            top_k=config.integer(*self.top_k_field, default=min(2, experts)),
            name=self.block,
            gated=self.gated,
            expert_bias=self.expert_bias,
            experts_quantizable=self.experts_quantizable,
            router_bias=self.router_bias,
            router_dtype=self.router_dtypes(config),
            router_name=self.router,
            router_quantizable=self.router_quantizable,
            correction_bias=flag(config, self.correction_bias),
            shared_intermediate=self.shared_width(config),
            shared_gate=self.shared_gate and bool(self.shared_width(config)),
            shared_name=self.shared_name,
            expert_names=self.expert_names,
            shared_bias=flag(config, self.mlp_bias),
            activation=self.activation,
            routing=self.routing(config),
        )

    def routing(self, config: ModelConfig) -> str:
        """How vLLM calls the router's method, see `Experts`."""
        if self.own_routing:
            return "custom"
        fields = self.renormalize_field
        return routing_method(
            scoring=self.scoring or config.string("scoring_func", "score_function", "score_func") or None,
            renormalize=config.flag(*fields, default=self.renormalized) if fields else self.renormalized,
            groups=int(self.grouped),
            biased=flag(config, self.correction_bias),
        )

    def shared_width(self, config: ModelConfig) -> int:
        """Width of all shared experts together, 0 without."""
        if self.shared_width_field:
            return config.integer(*self.shared_width_field, default=0, low=0)
        return config.integer(*self.shared, default=0, low=0) * self.expert_width(config)

    def expert_width(self, config: ModelConfig) -> int:
        """Width of one routed expert."""
        return config.integer(*self.width_field)

    def router_dtypes(self, config: ModelConfig) -> str | None:
        """The router's dtype, None for the model's."""
        del config
        return self.router_dtype
