"""The schema generated from the records validates what the library answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

import vram
from vram.report.json_schema import estimate_schema

DEPLOYMENTS = [
    {},
    {"tensor_parallel_size": 4, "pipeline_parallel_size": 2, "max_model_len": -1},
    {"kv_cache_dtype": "fp8", "quantization": "fp8", "concurrency": 7},
    {"gpu": "T4", "max_model_len": 8192},
    {"max_model_len": 10**6},
]


@pytest.mark.parametrize("arguments", DEPLOYMENTS, ids=str)
def test_every_answer_is_valid(model_folder: Callable[..., Path], arguments: dict[str, object]) -> None:
    answer = vram.estimate(model_folder(), **{"gpu": "H100", **arguments})
    jsonschema.validate(json.loads(json.dumps(answer.to_dict())), estimate_schema())


def test_the_schema_is_a_schema_and_refuses_what_is_no_answer() -> None:
    schema = estimate_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"schema_version": 1}, schema)
