"""A model that no adapter and no header describes, described by the inventory sources of plugins."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest
from tests.conftest import LLAMA_8B

from vram import hookimpl
from vram.ask.describe import build_spec, with_graph
from vram.errors import CheckpointError, RemoteCodeError
from vram.models.checkpoint import Checkpoint, HeaderTensor, Inventory
from vram.models.config import ModelConfig
from vram.models.deployment import EngineArgs
from vram.models.inventory_source import InventorySource
from vram.plugin.manager import Plugins
from vram.vllm.versions import NEWEST

INVENTORY = Inventory(
    tensors=(HeaderTensor(name="all", dtype="bfloat16", shape=(5,), nbytes=10),), total_bytes=10, files=0
)


class Source(InventorySource):
    """Gives what it holds, or raises it."""

    def __init__(self, name: str, gives: Inventory | Exception | None) -> None:
        self.name, self.gives = name, gives

    def inventory(self, checkpoint: Checkpoint, *, trust_remote_code: bool) -> Inventory | None:
        if isinstance(self.gives, Exception):
            raise self.gives
        return self.gives


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Checkpoint, Plugins]]:
    """What becomes of a model nobody knows, with sources that give these."""

    def ask(*gives: Inventory | Exception | None) -> tuple[Checkpoint, Plugins]:
        sources = [Source(f"source{number}", each) for number, each in enumerate(gives)]
        module = ModuleType("sources")
        module.vram_inventory_sources = hookimpl(lambda: sources)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "sources", module)
        registry = Plugins([EntryPoint(name="sources", value="sources", group="vram")], disabled=())
        config = ModelConfig(raw={**LLAMA_8B, "architectures": ["NobodyKnowsForCausalLM"]}, path="m/config.json")
        return with_graph(registry, Checkpoint(id="m", source="local", config=config), False), registry

    return ask


def told_by(checkpoint: Checkpoint) -> str:
    """Which source told of the tensors that it has now."""
    assert checkpoint.inventory is not None
    assert checkpoint.inventory.tensors == INVENTORY.tensors
    return checkpoint.inventory.source


def test_the_first_source_that_tells_is_believed(told) -> None:
    checkpoint, _ = told(None, INVENTORY, CheckpointError(path="m", problem="is not asked"))

    assert (told_by(checkpoint), checkpoint.source, checkpoint.notes) == ("source1", "graph", ())


def test_weights_are_credited_to_the_source_by_its_name(told) -> None:
    checkpoint, registry = told(INVENTORY)
    spec = build_spec(registry, checkpoint, (9, 0), NEWEST, EngineArgs())

    assert "its weights are the tensors that 'source0' tells of" in spec.assumptions[0]


def test_a_source_that_refuses_leaves_a_note_and_the_next_is_asked(told) -> None:
    checkpoint, registry = told(CheckpointError(path="m", problem="is odd"), INVENTORY)

    assert told_by(checkpoint) == "source1"
    assert checkpoint.notes == ("source0 could not build it: m: is odd.",)
    assert not registry.failures


def test_a_source_that_breaks_is_named_and_skipped(told) -> None:
    checkpoint, registry = told(ZeroDivisionError("a bug"), None)

    assert (checkpoint.inventory, checkpoint.source) == (None, "local")
    assert [failure.error for failure in registry.failures] == [
        "vram_inventory_sources: source0.inventory raises ZeroDivisionError: a bug"
    ]


def test_code_of_a_repository_is_asked_for(told) -> None:
    with pytest.raises(RemoteCodeError):
        told(RemoteCodeError(model="m", problem="is built by code of its own repository"))
