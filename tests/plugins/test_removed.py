"""Without any one of the built-in plugins, or of their modules, the program answers and names what it no longer knows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint, distribution
from types import ModuleType

import pytest

import vram
from vram import hookimpl
from vram.errors import VramError
from vram.models.later import Later
from vram.plugin import manager
from vram.plugin.kinds import KINDS
from vram.plugin.manager import Plugins

ENTRY_POINTS = tuple(distribution("vram-estimator").entry_points.select(group="vram"))
WHOLE = Plugins(ENTRY_POINTS, disabled=())
GIVEN = (
    "engines", "schemes", "kv_dtypes", "adapters", "profiles", "artifacts", "checkpoint_formats", "gpu_detectors",
    "inventory_sources", "deployment_readers", "commands", "platforms",
)  # fmt: skip
#: what this deployment itself is made of: without it, one sentence or an answer labelled assumed
NEEDED = {
    "architectures": "assumed", "vram_plugins.architectures.llama:adapters": "assumed", "gpus": "H100", "kv_dtypes": "auto",
    "vram_plugins.kv_dtypes.unquantized:dtypes": "auto",
}  # fmt: skip


def hooks_of(entry: EntryPoint) -> Iterable[tuple[str, Callable[[], Iterable[object]]]]:
    return [(hook, getattr(entry.load(), hook)) for hook in KINDS if hasattr(entry.load(), hook)]


MODULES = sorted(
    each.load for entry in ENTRY_POINTS for _, given in hooks_of(entry) for each in given() if isinstance(each, Later)
)


def without_module(load: str) -> Plugins:
    """All plugins, the one whose module it is without that module's line."""
    entries = []
    for entry in ENTRY_POINTS:
        made = ModuleType(f"without_{entry.name}")
        for hook, given in hooks_of(entry):
            rest = [each for each in given() if not (isinstance(each, Later) and each.load == load)]
            setattr(made, hook, hookimpl(lambda rest=rest: rest))
        sys.modules[made.__name__] = made
        entries.append(EntryPoint(name=entry.name, value=made.__name__, group="vram"))
    return Plugins(entries, disabled=())


def without(name: str) -> Plugins:
    return without_module(name) if ":" in name else Plugins(ENTRY_POINTS, disabled=(name,))


@pytest.fixture(params=[*sorted(entry.name for entry in ENTRY_POINTS), *MODULES])
def removed(request, monkeypatch: pytest.MonkeyPatch):
    """The program without one plugin or one module, in this process."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    left = without(request.param)
    monkeypatch.setattr(manager, "_current", left)
    return request.param, left


def test_the_rest_still_answers_or_names_what_is_missing(removed) -> None:
    name, left = removed

    def answered() -> vram.Estimate | VramError:
        try:
            return vram.estimate("Qwen/Qwen3-8B", gpu="H100", max_model_len=4096)
        except VramError as error:
            return error

    answer = answered()
    if isinstance(answer, VramError):
        assert name in NEEDED, f"{name} is not part of this answer: {answer}"
        assert NEEDED[name] in str(answer) or "Unknown" in str(answer)
    else:
        assert answer.memory.weights.expected > 0
    left.load_all()
    assert not left.failures


def test_what_it_gave_is_gone_and_nothing_else(removed) -> None:
    name, left = removed
    gone = [(kind, set(getattr(WHOLE, kind)) - set(getattr(left, kind))) for kind in GIVEN]
    assert any(names for _, names in gone), f"{name} gives nothing"
    assert [info.name for info in left.infos if info.disabled] == ([] if ":" in name else [name])
    for kind in GIVEN:  # what is left is what was there
        assert set(getattr(left, kind)) <= set(getattr(WHOLE, kind))


@pytest.mark.parametrize("module", [name for name in MODULES if "kv_dtypes" in name and "unquantized" not in name])
def test_a_format_that_is_gone_is_refused_by_its_name(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    left = without(module)
    lost = sorted(set(WHOLE.kv_dtypes) - set(left.kv_dtypes))
    monkeypatch.setattr(manager, "_current", left)
    with pytest.raises(VramError, match=lost[0]):
        vram.estimate("Qwen/Qwen3-8B", gpu="B200", kv_cache_dtype=lost[0])
