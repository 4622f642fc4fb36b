"""The page about formats names every scheme and every method."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vram.models.scheme import QuantizationRequest, QuantizationScheme

_PAGE = Path(__file__).parents[3] / "docs" / "reference" / "quantization.md"


def test_every_scheme_has_a_row(schemes: Mapping[str, QuantizationScheme]) -> None:
    rows = [line for line in _PAGE.read_text().splitlines() if line.startswith("|")]

    for scheme in set(schemes.values()):
        row = next((line for line in rows if f"`{scheme.name}`" in line), None)
        assert row is not None, f"{scheme.name} is missing"
        listed = {method.strip() for method in row.split("|")[2].split(",")}
        assert listed == set(scheme.methods)


def test_hypothetical_checkpoints_can_be_bound(schemes: Mapping[str, QuantizationScheme]) -> None:
    for method, scheme in schemes.items():
        block = scheme.typical(method)
        if block is not None:
            assert scheme.bind(QuantizationRequest(method=method, config=block, vllm_version=(0, 20, 0)))
