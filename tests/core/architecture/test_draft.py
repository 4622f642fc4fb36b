"""Drafts of speculative decoding. The byte counts are vLLM 0.32.0's on the meta device: target and draft built together,
less what its proposer shares (`llm_base_proposer.py`): token embedding and, but for EAGLE-3, the LM head."""

import json
from pathlib import Path

import pytest

from vram.architecture.draft import draft_tokens, with_speculation
from vram.errors import ArchitectureError, InputError
from vram.estimate.weights.ranks import Parallelism, rank_weights
from vram.estimate.weights.resolved import resolve
from vram.models.adapter import BuildContext
from vram.models.config import ModelConfig
from vram.models.spec import Draft, Layer, LayerRun
from vram.plugin.manager import plugins

ANSWERS = json.loads((Path(__file__).parents[2] / "data" / "speculation_answers.json").read_text())
LLAMA = next(a["target"] for a in ANSWERS if a["target"]["architectures"] == ["LlamaForCausalLM"])
DEEPSEEK = next(a["target"] for a in ANSWERS if a["target"]["architectures"] == ["DeepseekV3ForCausalLM"])


def speculating(target, speculative, draft=None, tp=1, version=(0, 32, 0)):
    config = ModelConfig(raw=target)
    context = BuildContext(vllm_version=version, tensor_parallel_size=tp)
    adapters = plugins().adapters
    spec = adapters[config.architecture].build(config, context)
    return with_speculation(
        spec,
        speculative,
        target=config,
        context=context,
        adapters=adapters,
        open_config=lambda _: ModelConfig(raw=draft),
    )


def case_id(answer):
    method = answer["speculative_config"]["method"]
    layers = answer["draft"]["num_hidden_layers"] if answer["draft"] else answer["target"]["num_hidden_layers"]
    return f"{answer['target']['architectures'][0]}-{method}-{layers}-tp{answer['tp']}"


@pytest.mark.parametrize("answer", ANSWERS, ids=case_id)
def test_target_and_draft_take_what_vllm_takes(answer):
    spec = speculating(answer["target"], answer["speculative_config"], answer["draft"], answer["tp"])

    parallel = Parallelism.of(tp=answer["tp"], pp=1, dp=1, expert_parallel=False)
    (rank,) = rank_weights(resolve(spec, None), parallel, "bfloat16")

    assert rank.parameter_bytes == answer["parameter_bytes"]


SHORT = {**LLAMA, "max_position_embeddings": 2048, "num_hidden_layers": 1}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 512}


@pytest.mark.parametrize(
    ("method", "changes", "version", "length"),
    [
        ("draft_model", {}, (0, 33, 0), 2048),  # vLLM 0.33.0: "reducing max_model_len to 2048"
        ("draft_model", {}, (0, 32, 0), None),
        ("eagle", {}, (0, 33, 0), None),  # its rotary table is lengthened to the target's length instead
        ("eagle", {"rope_scaling": YARN}, (0, 33, 0), 2048),  # but not one whose scaling depends on the length
    ],
)
def test_a_shorter_draft_limits_the_target_since_0_33(method, changes, version, length):
    speculative = {"method": method, "model": "draft", "num_speculative_tokens": 3}
    spec = speculating(LLAMA, speculative, {**SHORT, **changes}, version=version)

    assert spec.draft.max_model_len == length


def test_the_draft_is_on_the_last_pipeline_rank_with_an_embedding_of_its_own():
    plain = speculating(DEEPSEEK, {"method": "ngram", "num_speculative_tokens": 1})
    with_mtp = speculating(DEEPSEEK, {"method": "mtp", "num_speculative_tokens": 1})
    parallel = Parallelism(pp=2)

    before = rank_weights(resolve(plain, None), parallel, "bfloat16")
    after = rank_weights(resolve(with_mtp, None), parallel, "bfloat16")
    alone = rank_weights(resolve(with_mtp, None), Parallelism(), "bfloat16")[0]
    base = rank_weights(resolve(plain, None), Parallelism(), "bfloat16")[0]

    assert after[0].parameter_bytes == before[0].parameter_bytes
    # on one rank the token embedding (129280 × 7168 bf16) is the target's, on two it is a copy
    extra = after[1].parameter_bytes - before[1].parameter_bytes
    assert extra - (alone.parameter_bytes - base.parameter_bytes) == 129280 * 7168 * 2


def test_prediction_layers_add_their_cache():
    spec = speculating(DEEPSEEK, {"method": "mtp", "num_speculative_tokens": 3})

    (run,) = spec.draft.runs

    assert run.layer.caches == spec.runs[0].layer.caches  # one more layer of latent attention
    assert run.indices == (61,)


def test_a_checkpoint_without_prediction_layers_is_refused():
    target = {**DEEPSEEK, "num_nextn_predict_layers": 0}

    with pytest.raises(ArchitectureError, match="no prediction layers"):
        speculating(target, {"method": "mtp", "num_speculative_tokens": 1})


@pytest.mark.parametrize(
    "speculative",
    [{"method": "medusa", "model": "x"}, {"method": 7}, {"num_speculative_tokens": 2}, {"method": "eagle3"}],
)
def test_what_vllm_would_not_take_is_an_input_error(speculative):
    with pytest.raises(InputError):
        speculating(LLAMA, speculative)


def test_an_eagle_head_of_an_unknown_kind_is_refused():
    with pytest.raises(ArchitectureError):
        speculating(LLAMA, {"method": "eagle", "model": "d"}, {"architectures": ["EagleFooModel"]})


@pytest.mark.parametrize(
    ("speculative", "layers", "tokens"),
    [
        (None, 3, 0),
        ({"method": "mtp"}, 3, 3),  # as many as there are prediction layers (`n_predict`)
        ({"method": "mtp", "num_speculative_tokens": 2}, 3, 2),
        ({"method": "mtp", "num_speculative_tokens": 6}, 3, 6),
        ({"method": "suffix"}, 0, 24),  # `suffix_decoding_max_tree_depth`
    ],
)
def test_tokens_of_a_draft_are_those_given_or_its_methods_own(speculative, layers, tokens):
    block = Layer(modules=())
    runs = (LayerRun(layer=block, indices=tuple(range(layers))),) if layers else ()
    assert draft_tokens(speculative, Draft(runs=runs) if runs else None) == tokens


@pytest.mark.parametrize("asked", [{"num_speculative_tokens": 5}, {"num_speculative_tokens": True}])
def test_tokens_that_prediction_layers_cannot_give_are_refused(asked):
    three = Draft(runs=(LayerRun(layer=Layer(modules=()), indices=(0, 1, 2)),))
    with pytest.raises(InputError):
        draft_tokens({"method": "mtp", **asked}, three)


def test_a_draft_model_has_no_tokens_by_default():
    with pytest.raises(InputError, match="num_speculative_tokens"):
        draft_tokens({"method": "draft_model"}, Draft(runs=(), target_quantization=False))
