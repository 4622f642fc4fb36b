"""Lengths that files beside config.json state (`config/model.py:_get_and_verify_max_len`, vLLM 0.33.0)."""

from __future__ import annotations

import json

import pytest

from vram.ask.asking import ask

BERT = {
    "architectures": ["BertModel"], "model_type": "bert", "hidden_size": 384, "intermediate_size": 1536, "num_hidden_layers": 2,
    "num_attention_heads": 12, "vocab_size": 30522, "max_position_embeddings": 514, "position_embedding_type": "absolute",
}  # fmt: skip


def length_of(folder, config=None, **files):
    (folder / "config.json").write_text(json.dumps(config or BERT))
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    spec = ask(folder, gpu="H100").spec
    return spec.max_model_len, spec.derived_max_model_len


def test_the_tokenizers_length_bounds_an_encoder_of_absolute_positions(tmp_path):
    assert length_of(tmp_path) == (514, 514)
    assert length_of(tmp_path, tokenizer_config={"model_max_length": 512}) == (512, 512)


@pytest.mark.parametrize("unsaid", [10**30, "512", None, 0])
def test_a_tokenizer_without_a_length_bounds_nothing(tmp_path, unsaid):
    assert length_of(tmp_path, tokenizer_config={"model_max_length": unsaid}) == (514, 514)


def test_the_tokenizers_length_says_nothing_of_other_positions(tmp_path):
    config = {**BERT, "position_embedding_type": "relative_key"}
    assert length_of(tmp_path, config, tokenizer_config={"model_max_length": 512}) == (514, 514)


def test_sentence_transformers_length_wins_over_all_even_where_it_is_more(tmp_path):
    files = {"tokenizer_config": {"model_max_length": 512}, "sentence_bert_config": {"max_seq_length": 256}}
    assert length_of(tmp_path, **files) == (256, 256)
    assert length_of(tmp_path, **files | {"sentence_bert_config": {"max_seq_length": 1024}}) == (1024, 1024)


def test_the_same_question_finds_the_same_model(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(BERT))
    (tmp_path / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 256}))
    assert ask(tmp_path, gpu="H100").spec is ask(tmp_path, gpu="H100").spec
