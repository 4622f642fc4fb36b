"""Embedding and classification forms of decoders."""

from __future__ import annotations

import pytest

from vram.architecture.pooling import label_count, pooling_forms
from vram.errors import ConfigError
from vram.estimate.weights.parameters import parameter_count
from vram.models.adapter import BuildContext
from vram.models.config import ModelConfig
from vram.plugin.manager import plugins

RAW: dict[str, object] = {
    "architectures": ["Qwen3ForSequenceClassification"],
    "hidden_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "intermediate_size": 128,
    "vocab_size": 1000,
    "torch_dtype": "bfloat16",
}


def parameters(architecture: str, **changes: object) -> int:
    model = ModelConfig(raw={**RAW, "architectures": [architecture], **changes})
    return parameter_count(plugins().adapters[architecture].build(model, BuildContext()))


def test_a_classifier_takes_the_place_of_the_lm_head() -> None:
    # the LM head has 1000 rows of 64, the classifier three
    assert (
        parameters("Qwen3ForCausalLM") - parameters("Qwen3ForSequenceClassification", num_labels=3) == (1000 - 3) * 64
    )


def test_an_embedding_model_has_neither() -> None:
    assert parameters("Qwen3ForCausalLM") - parameters("Qwen3Model") == 1000 * 64


def test_names_in_vllms_registry_keep_the_lm_head() -> None:
    # vLLM 0.32.0 builds LlamaModel as LlamaForCausalLM, LM head included (its own answer, p_llama)
    assert parameters("LlamaModel") == parameters("LlamaForCausalLM")


def test_the_runner_is_pooling() -> None:
    spec = (
        plugins()
        .adapters["Qwen3Model"]
        .build(ModelConfig(raw={**RAW, "architectures": ["Qwen3Model"]}), BuildContext())
    )

    assert (spec.runner, spec.architecture) == ("pooling", "Qwen3Model")


def test_labels_are_counted_as_transformers_counts_them() -> None:
    assert label_count(ModelConfig(raw={})) == 2
    assert label_count(ModelConfig(raw={"id2label": {"0": "a", "1": "b", "2": "c"}})) == 3
    assert label_count(ModelConfig(raw={"num_labels": 7, "id2label": {"0": "a"}})) == 7
    with pytest.raises(ConfigError, match="num_labels"):
        label_count(ModelConfig(raw={"num_labels": 0}))


def test_no_form_takes_the_name_of_an_adapter() -> None:
    bases = [plugins().adapters["LlamaForCausalLM"], plugins().adapters["ChatGLMModel"]]

    names = [name for form in pooling_forms(bases, taken={"LlamaModel"}) for name in form.architectures]

    assert "LlamaModel" not in names
    assert "ChatGLMModel" not in names
    assert len(names) == len(set(names))
