"""Which scheme reads a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from vram.checkpoint.quantization_block import with_modelopt_file
from vram.errors import QuantizationError, UnknownNameError
from vram.models.scheme import Quantization, QuantizationRequest, QuantizationScheme
from vram.quantization.resolve import checkpoint_method, resolve, unread
from vram.quantization.rules import RuledQuantization
from vram.quantization.unquantized import UNQUANTIZED


class Plain(QuantizationScheme):
    name = "plain"
    methods = ("plain", "plain_fast")
    accepts = ("speedy",)

    def typical(self, method: str) -> Mapping[str, object]:
        return {"quant_method": method, "bits": 4}

    def bind(self, request: QuantizationRequest) -> Quantization:
        return RuledQuantization(name=f"{request.method} {request.config.get('bits')}", format=UNQUANTIZED)


class Online(QuantizationScheme):
    name = "online"
    methods = ("online",)
    online = True

    def bind(self, request: QuantizationRequest) -> Quantization:
        return RuledQuantization(name=f"online {dict(request.config)}", format=UNQUANTIZED)


class Claiming(QuantizationScheme):
    name = "claiming"
    methods = ("claiming",)

    def claims(self, request: QuantizationRequest) -> bool:
        return request.method == "plain" and request.config.get("special") is True

    def bind(self, request: QuantizationRequest) -> Quantization:
        return RuledQuantization(name="claiming", format=UNQUANTIZED)


SCHEMES = {method: scheme for scheme in (Plain(), Online(), Claiming()) for method in scheme.methods}


def ask(config: Mapping[str, object] | None = None, **more: object) -> str | None:
    resolved = resolve(SCHEMES, QuantizationRequest(method="", config=config or {}, **more))  # type: ignore[arg-type]
    return resolved.quantization.name if resolved else None


def test_no_block_and_no_request_is_unquantized() -> None:
    assert ask() is None
    assert ask(requested="none") is None


def test_the_blocks_method_decides() -> None:
    assert ask({"quant_method": "Plain", "bits": 8}) == "plain 8"


@pytest.mark.parametrize("requested", ["plain", "plain_fast", "speedy"])
def test_a_request_may_confirm_the_checkpoint(requested: str) -> None:
    assert ask({"quant_method": "plain", "bits": 8}, requested=requested) == "plain 8"


def test_a_request_that_contradicts_the_checkpoint_is_refused() -> None:
    with pytest.raises(
        QuantizationError, match="'online': contradicts the checkpoint, which is quantized with 'plain'"
    ):
        ask({"quant_method": "plain"}, requested="online")


def test_a_scheme_may_claim_anothers_checkpoint() -> None:
    assert ask({"quant_method": "plain", "special": True}) == "claiming"


def test_an_online_scheme_quantizes_an_unquantized_checkpoint() -> None:
    assert ask(requested="online") == "online {}"


def test_an_offline_scheme_needs_a_checkpoint() -> None:
    with pytest.raises(QuantizationError, match="cannot quantize to it while loading"):
        ask(requested="plain")


def test_a_hypothetical_checkpoint_is_as_its_quantizer_usually_writes_it() -> None:
    assert ask(requested="plain", hypothetical=True) == "plain 4"
    assert ask({"quant_method": "plain"}, hypothetical=True) == "plain 4"


def test_an_unknown_method_names_its_neighbours() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean plain"):
        ask({"quant_method": "plane"})


@pytest.mark.parametrize(
    ("block", "method"),
    [
        ({"quant_method": "compressed_tensors"}, "compressed-tensors"),
        ({"quantization": {"quant_algo": "NVFP4"}, "producer": {"name": "modelopt"}}, "modelopt_fp4"),
        ({"quantization": {"quant_algo": "FP8", "modelopt_quant_config": {}}}, "modelopt"),
        ({"quantization": {"quant_algo": "MIXED_PRECISION"}, "producer": {"name": "modelopt"}}, "modelopt_mixed"),
        ({"quantization": {"quant_algo": "NVFP4"}}, ""),
        ({"quant_method": None}, ""),
    ],
)
def test_the_method_is_named_as_vllm_names_it(block: Mapping[str, object], method: str) -> None:
    assert checkpoint_method(block) == method


@pytest.mark.parametrize(
    ("file", "read_by"),
    [  # `_normalize_quantization_config` of each release; `transformers_utils/config.py` looks for the file since 0.10.1
        ({"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "FP8"}}, [False, True, True, True]),
        ({"quantization": {"quant_algo": "FP8", "modelopt_quant_config": {}}}, [False, False, False, True]),
        ({"quantization": {"quant_algo": "FP8"}}, [False, False, False, False]),
    ],
)
def test_modelopts_file_is_read_as_each_release_does(file: Mapping[str, object], read_by: list[bool]) -> None:
    block = with_modelopt_file({}, file, "hf_quant_config.json")
    releases = ((0, 10, 0), (0, 10, 1), (0, 25, 1), (0, 26, 0))
    assert [checkpoint_method(block, version) == "modelopt" for version in releases] == read_by


def test_a_block_that_vllm_does_not_read_is_said() -> None:
    block = with_modelopt_file({}, {"quantization": {"quant_algo": "FP8"}}, "hf_quant_config.json")
    assert "in hf_quant_config.json of its quantization: it makes 16-bit weights" in str(unread(block, (0, 33, 0)))
    assert unread({"quant_method": "fp8"}, (0, 33, 0)) is None
    assert unread({}, (0, 33, 0)) is None
