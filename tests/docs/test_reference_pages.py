"""Reference pages that are written from what the program knows are current. VRAM_UPDATE_DOCS=1 writes them anew."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import distribution
from pathlib import Path

import pytest
from tests.docs import architectures, flags, known_faults, records, reference
from tests.docs.engine_arguments import engine_arguments_module
from tests.docs.tables import table
from tests.docs.test_public_page import NAMED

from vram.checkpoint.catalog import list_catalog
from vram.components import FALLBACK
from vram.models.profile import CONSTANT_NAMES, Gpu
from vram.plugin.manager import Plugins
from vram.report.json_schema import estimate_schema
from vram.units import format_gib
from vram_plugins.check.schema import check_schema

_WRITTEN = (
    "<!-- Written by tests/docs/test_reference_pages.py: edit that, then `VRAM_UPDATE_DOCS=1 pytest tests/docs`. -->\n"
)
#: whole packages that are public
WHOLE = ("vram.models", "vram.architecture", "vram.quantization", "vram.errors", "vram.units", "vram.dtypes")
REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def gpus_page() -> str:
    """Every GPU by profile: name, memory as CUDA reports it, capability, bandwidth, where the memory is from."""
    built_in = Plugins(distribution("vram-estimator").entry_points.select(group="vram"), disabled=())
    families = {p.name: p for p in built_in.profiles.values() if any(gpu.family == p.name for gpu in p.gpus)}
    profiles = [families[name] for name in sorted(families)]  # presets share their family's GPUs
    whole = sum(gpu.kind != "partition" for p in profiles for gpu in p.gpus)
    slices = sum(len(p.gpus) for p in profiles) - whole
    parts = [
        "# GPUs\n",
        _WRITTEN,
        f"{whole} GPUs and {slices} MIG slices and vGPU profiles, by overhead profile. Memory is the total CUDA reports, "
        "which is less than the number on the box: *measured* was read off a machine, *derived* and *assumed* were worked "
        "out ([how](profile-format.md#where-the-memory-totals-are-from)). `vram profiles show NAME` has the rest: "
        "rates, aliases, driver names and every source. One that is missing takes "
        "[a file](../how-to/add-a-gpu.md), or `--vram-gib` for a single answer.\n",
    ]
    for profile in profiles:
        measured = (
            "constants measured" if profile.calibrated and profile.constants else "facts only; `generic` constants"
        )
        parts += [f"## {profile.name}\n", f"{profile.description.rstrip('.') or profile.name}: {measured}.\n"]
        boards = [gpu for gpu in profile.gpus if gpu.kind != "partition"]
        parts.append(table(("GPU", "memory", "", "capability", "GB/s", "kind", "also typed"), map(_gpu_row, boards)))
        sliced = [f"{gpu.name} ({format_gib(gpu.memory_bytes)})" for gpu in profile.gpus if gpu.kind == "partition"]
        if sliced:
            parts.append(f"Slices: {'; '.join(sliced)}.\n")
    return "\n".join(parts)


def _gpu_row(gpu: Gpu) -> tuple[str, ...]:
    major, minor = gpu.compute_capability
    return (
        gpu.name,
        format_gib(gpu.memory_bytes),
        gpu.memory_provenance,
        f"{major}.{minor}",
        f"{gpu.bandwidth / 1e9:,.0f}",
        gpu.kind,
        ", ".join(gpu.aliases[:3]),
    )


def models_page() -> str:
    """Every id of the catalog, models of one shape together."""
    models = list_catalog()
    by_architecture: dict[str, list[tuple[str, ...]]] = {}
    for model in models:
        row = (
            f"`{model.id}`",
            f"{model.parameters / 1e9:,.3g}" if model.parameters else "",
            model.quantization or "",
            format_gib(model.stored_bytes) if model.stored_bytes else "",
        )
        by_architecture.setdefault(model.architecture, []).append(row)
    parts = [
        "# Models\n",
        _WRITTEN,
        f"The bundled catalog: {len(models)} ids of {len({m.shape for m in models})} shapes and {len(by_architecture)} "
        "architectures, answered for offline and without a token. Any other model is read from its folder or the Hub; "
        "`vram models NAME` searches this list.\n",
    ]
    for architecture in sorted(by_architecture):
        rows = by_architecture[architecture]
        parts += [f"## {architecture}\n", table(("model", "10⁹ parameters", "quantization", "checkpoint"), rows)]
    return "\n".join(parts)


def schema_text() -> str:
    """The JSON contract's schema, as `python -m vram.report.json_schema` prints it."""
    return json.dumps(estimate_schema(), indent=1) + "\n"


def check_schema_text() -> str:
    """The schema of `vram check --json`, as `python -m vram_plugins.check.schema` prints it."""
    return json.dumps(check_schema(), indent=1) + "\n"


@pytest.mark.parametrize(
    ("page", "written"),
    [
        ("gpus.md", gpus_page),
        ("models.md", models_page),
        ("architectures.md", lambda: architectures.page(_WRITTEN)),
        ("known-faults.md", lambda: known_faults.page(_WRITTEN)),
        ("flags.md", lambda: flags.page(_WRITTEN)),
        ("records.md", lambda: reference.records_page(_WRITTEN)),
        ("architecture-kit.md", lambda: reference.architecture_page(_WRITTEN)),
        ("quantization-kit.md", lambda: reference.quantization_page(_WRITTEN)),
        ("names.md", lambda: reference.names_page(_WRITTEN, NAMED)),
        ("estimate.schema.json", schema_text),
        ("check.schema.json", check_schema_text),
        ("../../core/vram/models/engine_arguments.py", engine_arguments_module),
    ],
    ids=(
        "gpus",
        "models",
        "architectures",
        "known-faults",
        "flags",
        "records",
        "architecture-kit",
        "quantization-kit",
        "names",
        "schema",
        "check",
        "engine_arguments",
    ),
)
def test_a_written_page_is_current(page: str, written: Callable[[], str]) -> None:
    if os.environ.get("VRAM_UPDATE_DOCS"):
        (REFERENCE / page).write_text(written(), encoding="utf-8")
    assert (REFERENCE / page).read_text(encoding="utf-8") == written()


PAGES = ("records.md", "architecture-kit.md", "quantization-kit.md", "names.md")


def test_every_public_name_is_on_a_page() -> None:
    text = "\n".join((REFERENCE / page).read_text(encoding="utf-8") for page in PAGES)
    headed = set(re.findall(r"^### (\w+)$", text, re.MULTILINE))
    packages = {name for package in NAMED for name in import_module(package).__all__}
    assert packages <= headed
    inside = {name for package in WHOLE for module in records.modules(package) for name, _ in records.public(module)}
    assert inside - {"EngineArguments", "DeploymentArguments"} <= headed


def documented() -> set[type]:
    """Every class of the pages whose fields are told there."""
    whole = {kind for package in WHOLE for module in records.modules(package) for _, kind in records.public(module)}
    named = {getattr(import_module(package), name) for package in NAMED for name in import_module(package).__all__}
    elsewhere = {"EngineArguments", "DeploymentArguments", "EngineArgs"}
    return {
        kind
        for kind in whole | named
        if isinstance(kind, type) and not issubclass(kind, BaseException) and kind.__name__ not in elsewhere
    }


def test_every_field_says_what_it_means() -> None:
    fields = ((kind, field) for kind in documented() for field, _, _ in records.fields_of(kind))
    silent = sorted(f"{kind.__name__}.{field}" for kind, field in fields if not records.meaning(kind, field))
    assert not silent, f"a line each in {records.FIELDS}, or a word in the docstring"


def test_every_line_of_meanings_is_of_some_field() -> None:
    used = {records.line_of(kind, field) for kind in documented() for field, _, _ in records.fields_of(kind)}
    assert not sorted(set(records.told()) - used), records.FIELDS


def test_the_page_of_profiles_lists_the_constants_that_formulas_ask_for() -> None:
    section = (REFERENCE.parents[1] / "overhead_profiles" / "README.md").read_text().partition("### The constants")[2]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == CONSTANT_NAMES
    asked = {constant.name for constant in FALLBACK} | {
        "fixed_overhead_bytes",
        "fixed_overhead_fraction",
        "per_extra_gpu_bytes",
        "tensor_parallel_pair_bytes",  # of AMD's profiles alone, as the next
        "context_bytes",
        "first_start_bytes",
    }
    assert asked <= CONSTANT_NAMES
