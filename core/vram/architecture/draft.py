"""Speculative decoding: what a draft adds to the model it serves.

`speculative_config` as vLLM takes it. Sources: vLLM 0.32.0 `config/speculative.py`, `v1/spec_decode/llm_base_proposer.py`
(what is shared with the target), `model_executor/models/llama_eagle.py`, `llama_eagle3.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from vram.architecture.attention import gqa
from vram.architecture.decoder import Dimensions, dimensions
from vram.architecture.mlp import gated_mlp
from vram.architecture.parts import bias_free_linear, layer, norm, norms
from vram.errors import ArchitectureError, InputError
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Embedding, Linear, Module, Placed, Tensor
from vram.models.record import evolve, frozen
from vram.models.spec import Draft, Layer, LayerRun, ModelSpec
from vram.vllm.rope import default_max_model_len, derived_max_model_len, read_ropes, rope_table

Method = Literal["none", "mtp", "eagle", "eagle3", "draft_model"]

#: drafts that are no model: they take no memory on the GPU worth counting
_WITHOUT_MODEL = frozenset({"ngram", "ngram_gpu", "suffix"})
_SUFFIX_TOKENS = 24  # `suffix_decoding_max_tree_depth`
_MOST_TOKENS = 1024  # no draft is longer
_EAGLE_ARCHITECTURES = ("Llama", "Mistral", "Qwen2", "Qwen3", "MiniMaxM2")
#: first version in which a draft's length limits the target's, and rope types whose table is lengthened for the target instead
_LIMITS_SINCE = (0, 33, 0)
_LENGTHENED = frozenset({"default", "linear", "llama3", "ntk", "proportional"})
_AUX_STATES = 3  # hidden states of the target that EAGLE-3 reads (`llama_eagle3.py`)


def with_speculation(
    spec: ModelSpec,
    speculative: Mapping[str, object],
    *,
    target: ModelConfig,
    context: BuildContext,
    adapters: Mapping[str, ArchitectureAdapter],
    open_config: Callable[[str], ModelConfig],
) -> ModelSpec:
    """The target with its draft. `open_config` reads the draft's config.json by name or path.

    Raises InputError on a config vLLM would not take, ArchitectureError on a draft that is not known.
    """
    method = _method(speculative, open_config)
    match method:
        case "none":
            return spec
        case "mtp":
            return evolve(spec, draft=_own_layers(target, context, adapters))
    draft_config = open_config(_model_name(speculative))
    assumptions = spec.assumptions
    if draft_config.has("quantization_config"):
        assumptions += ("The draft model's weights are counted as unquantized.",)
    if method == "draft_model":
        return evolve(spec, draft=_whole_model(draft_config, context, adapters), assumptions=assumptions)
    assumptions += ("The draft is taken to share the target's token embedding, as most EAGLE checkpoints do.",)
    length = context.max_model_len if context.max_model_len and context.max_model_len > 0 else spec.max_model_len
    draft = eagle(draft_config, third=method == "eagle3", target_length=length)
    if any(rope.kind not in _LENGTHENED for rope in read_ropes(draft_config)):
        own = default_max_model_len(draft_config, derived_max_model_len(draft_config, version=context.vllm_version))
        draft = evolve(draft, max_model_len=_limit(own, context))
    return evolve(spec, draft=draft, assumptions=assumptions)


def draft_tokens(speculative: Mapping[str, object] | None, draft: Draft | None) -> int:
    """`num_speculative_tokens` as given, else what the method has by default; 0 without speculation. Raises InputError.

    Prediction layers give one token each, or several only as often as all of them run (vLLM 0.33.0
    `config/speculative.py:SpeculativeConfig.__post_init__`).
    """
    if not speculative:
        return 0
    own = draft is not None and draft.target_quantization  # the target's own prediction layers
    layers = sum(len(run.indices) for run in draft.runs) if draft is not None and own else 0
    default = _SUFFIX_TOKENS if speculative.get("method") == "suffix" else layers
    value = speculative.get("num_speculative_tokens") or default
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MOST_TOKENS:
        problem = f"must be a whole number from 1 to {_MOST_TOKENS}"
    elif layers and value > layers and value % layers:
        problem = f"must be divisible by the {layers} prediction layers"
    else:
        return value
    raise InputError(name="speculative_config.num_speculative_tokens", value=value, problem=problem)


def _limit(length: int, context: BuildContext) -> int | None:
    """A draft's length limits the target's since 0.33 (`config/vllm.py:_limit_max_model_len_to_draft`)."""
    return length if context.vllm_version >= _LIMITS_SINCE else None


def _method(speculative: Mapping[str, object], open_config: Callable[[str], ModelConfig]) -> Method:
    """vLLM's choice: the named method, else what the draft's architecture says. Raises InputError."""
    named = speculative.get("method")
    if named is not None and not isinstance(named, str):
        raise InputError(name="speculative_config.method", value=named, problem="must be text")
    if named in _WITHOUT_MODEL or speculative.get("model") in _WITHOUT_MODEL:
        return "none"
    if named is None:
        if not isinstance(speculative.get("model"), str):
            raise InputError(name="speculative_config", value=None, problem="names neither a method nor a model")
        architecture = open_config(_model_name(speculative)).architecture
        named = "eagle3" if "Eagle3" in architecture else "eagle" if "Eagle" in architecture else "draft_model"
    if named == "mtp" or named.endswith("_mtp"):
        return "mtp"
    if named in {"eagle", "eagle3", "draft_model"}:
        return named  # type: ignore[return-value]
    raise InputError(
        name="speculative_config.method",
        value=named,
        problem="is not known here (mtp, eagle, eagle3, draft_model, ngram)",
    )


def _model_name(speculative: Mapping[str, object]) -> str:
    name = speculative.get("model")
    if not isinstance(name, str) or not name:
        raise InputError(name="speculative_config.model", value=name, problem="must name the draft model")
    return name


def _own_layers(target: ModelConfig, context: BuildContext, adapters: Mapping[str, ArchitectureAdapter]) -> Draft:
    """The prediction layers of the target, or of the language model inside a multimodal one."""
    section, name = target.text(), target.architecture
    inner = name.replace("ForConditionalGeneration", "ForCausalLM")
    if section is not target and inner in adapters:
        raw = {**section.raw, "architectures": [inner]}
        target = ModelConfig(raw=raw, path=section.path, section=section.section)
        name = inner
    adapter = adapters.get(name)
    if adapter is None:
        raise ArchitectureError(architecture=name, problem="is not known to any plugin")
    return adapter.draft(target, context)


def prediction_layers(config: ModelConfig, *names: str) -> int:
    """How many prediction layers a checkpoint has. Raises ArchitectureError when it has none."""
    count = config.integer(*(names or ("num_nextn_predict_layers",)), default=0, low=0)
    if not count:
        raise ArchitectureError(architecture=config.architecture, problem="has no prediction layers in this checkpoint")
    return count


@frozen(kw_only=True)
class Predictor:
    """A prediction layer: norms, a (H, 2·H) fusion in the model's dtype, and a decoder layer like the model's last.

    The names are DeepSeek's (vLLM 0.32.0 `deepseek_mtp.py`, `glm4_moe_mtp.py`, `mimo_mtp.py`).
    """

    norms: tuple[str, ...] = ("enorm", "hnorm", "shared_head.norm")
    fusion: str = "eh_proj"

    def layers(self, block: Layer, *, hidden_size: int, vocab_size: int, after: int, count: int) -> Draft:
        """`count` of them behind the model's `after` layers; token embedding and LM head are the target's."""
        fusion = bias_free_linear(self.fusion, 2 * hidden_size, hidden_size, "replicated", quantizable=False)
        step = layer(norms(hidden_size, *self.norms), fusion, block.modules)
        run = LayerRun(layer=evolve(step, caches=block.caches), indices=tuple(range(after, after + count)))
        return Draft(runs=(run,), placed=(shared_embedding(vocab_size, hidden_size),))

    def like_last(self, spec: ModelSpec, *, count: int) -> Draft:
        """Prediction layers whose decoder layer is the model's last."""
        last = max(spec.runs, key=lambda run: max(run.indices))
        return self.layers(
            last.layer,
            hidden_size=spec.hidden_size,
            vocab_size=spec.vocab_size,
            after=spec.num_layers,
            count=count,
        )


def shared_embedding(rows: int, columns: int) -> Placed:
    """The draft's token embedding: the target's, but a copy where the target's is on another pipeline rank."""
    table = Embedding(name="draft.embed_tokens", rows=rows, columns=columns)
    return Placed(module=table, stage="apart")


def _whole_model(config: ModelConfig, context: BuildContext, adapters: Mapping[str, ArchitectureAdapter]) -> Draft:
    """A separate small model: nothing is shared, everything is on the last rank (`v1/spec_decode/draft_model.py`)."""
    adapter = adapters.get(config.architecture)
    if adapter is None:
        raise ArchitectureError(architecture=config.architecture, problem="is not known to any plugin")
    spec = adapter.build(config, context)
    return Draft(
        runs=spec.runs,
        placed=tuple(Placed(module=placed.module, stage="last", prefix=placed.prefix) for placed in spec.placed),
        target_quantization=False,
        max_model_len=_limit(spec.max_model_len, context),
    )


def eagle(config: ModelConfig, *, third: bool, target_length: int) -> Draft:
    """An EAGLE or EAGLE-3 head: Llama layers fed by the token's embedding and the target's hidden states.

    EAGLE: fc (H, 2·H) before the layers, the target's LM head. EAGLE-3: fc (H, 3·H_target), first layer reads 2·H, own
    LM head over `draft_vocab_size` and a table of token ids. The rotary table reaches to `target_length`. Raises
    ArchitectureError, ConfigError.
    """
    architecture = config.architecture
    if not any(name in architecture for name in _EAGLE_ARCHITECTURES):
        raise ArchitectureError(architecture=architecture, problem="is an EAGLE head that is not known here")
    dims = dimensions(config)
    positions = max(dims.max_position, target_length)
    kinds: dict[bool, list[int]] = {}
    for index in range(dims.num_hidden_layers):
        kinds.setdefault(index == 0, []).append(index)
    runs = tuple(
        LayerRun(
            layer=_eagle_layer(config, dims, first=first, third=third),
            indices=tuple(indices),
            prefix="draft.model.layers",
        )
        for first, indices in kinds.items()
    )
    modules = _third_head(config, dims) if third else (_fusion(2 * dims.hidden_size, dims),)
    tables = tuple(
        rope_table(rope, head_dim=dims.head_dim, max_position=positions) for rope in read_ropes(config) or (None,)
    )
    return Draft(
        runs=runs,
        placed=(
            *(Placed(module=module, stage="last") for module in (*modules, *tables)),
            shared_embedding(dims.vocab_size, dims.hidden_size),
        ),
        target_quantization=False,
    )


def _eagle_layer(config: ModelConfig, dims: Dimensions, *, first: bool, third: bool) -> Layer:
    attention = gqa(
        hidden_size=dims.hidden_size,
        num_heads=dims.num_attention_heads,
        num_kv_heads=dims.num_key_value_heads,
        head_dim=dims.head_dim,
        qkv_bias=config.flag("attention_bias"),
        qk_norm="head" if "Qwen3For" in config.architecture else "none",
    )
    if third and first:
        modules = tuple(
            evolve(module, inputs=2 * dims.hidden_size)
            if isinstance(module, Linear) and module.name.endswith("qkv_proj")
            else module
            for module in attention.modules
        )
        attention = evolve(attention, modules=modules)
    names = ["input_layernorm", "post_attention_layernorm"]
    if third:
        names.append("hidden_norm")
    elif first:
        names.remove("input_layernorm")
    return layer(
        attention,
        gated_mlp(hidden_size=dims.hidden_size, intermediate_size=dims.intermediate_size, bias=config.flag("mlp_bias")),
        norms(dims.hidden_size, *names),
    )


def _fusion(inputs: int, dims: Dimensions) -> Linear:
    return bias_free_linear("draft.fc", inputs, dims.hidden_size, "replicated")


def _third_head(config: ModelConfig, dims: Dimensions) -> tuple[Module, ...]:
    vocabulary = config.integer("draft_vocab_size", default=dims.vocab_size)
    section = config.sub("eagle_config")
    chosen = section.items("eagle_aux_hidden_state_layer_ids") if section else ()
    states = config.integer("num_aux_hidden_states", default=len(chosen) or _AUX_STATES)
    width = config.integer("target_hidden_size", default=dims.hidden_size) * states
    modules: list[Module] = [
        norm("draft.norm", dims.hidden_size),
        Embedding(name="draft.lm_head", rows=vocabulary, columns=dims.hidden_size, lm_head=True),
    ]
    if vocabulary != dims.vocab_size:
        modules.append(Tensor(name="draft.draft_id_to_target_id", shape=(vocabulary,), dtype="int64"))
    if section is None or section.flag("use_aux_hidden_state", default=True):
        modules.append(_fusion(width, dims))
    if (section is not None and section.flag("norm_before_fc")) or config.flag("norm_before_fc"):
        modules.append(norm("draft.input_norm", width))
    if config.flag("fc_norm"):
        modules.append(norm("draft.fc_norm", width))
    return tuple(modules)
