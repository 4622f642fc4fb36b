"""What each hook's records are asked, as a run would: a probe yields what is wrong beyond what the border itself refuses.

Records come from behind the border, where a method that gives nonsense is a PluginError already. A VramError is an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from vram.errors import DetectionError, PluginError, VramError
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.checkpoint import Checkpoint
from vram.models.checkpoint_format import CheckpointFormat
from vram.models.command import Command
from vram.models.config import ModelConfig
from vram.models.deployment_reader import DeploymentReader, DeploymentText
from vram.models.detected import GpuDetector
from vram.models.inventory_source import InventorySource
from vram.models.kv_dtype import KVCacheDtype
from vram.models.profile import OverheadProfile
from vram.models.self_test import SelfTest
from vram.plugin.blame import STUMBLES, silent
from vram.plugin.lazy import named
from vram.testing.artifacts import artifact_problems
from vram.testing.formats import scheme_problems
from vram.testing.platforms import platform_problems

#: a config that most decoders can read, dense or not
_TYPICAL: Mapping[str, object] = {
    "hidden_size": 2048, "intermediate_size": 5632, "num_attention_heads": 16, "num_key_value_heads": 8, "vocab_size": 32000,
    "max_position_embeddings": 4096, "torch_dtype": "bfloat16", "num_experts": 8, "num_experts_per_tok": 2,
    "moe_intermediate_size": 768,
}  # fmt: skip
_BROKEN: tuple[Mapping[str, object], ...] = ({}, {"hidden_size": "wide", "num_hidden_layers": -1})


def adapter_problems(adapter: ArchitectureAdapter) -> Iterator[str]:
    """An empty or broken config ends in a VramError and nothing else; a deeper model has more parameters."""
    from vram.estimate.weights.parameters import parameter_count

    for architecture in adapter.architectures:
        for fields in _BROKEN:
            with _answers():
                adapter.build(ModelConfig(raw={"architectures": [architecture], **fields}), BuildContext())
        built = []
        for layers in (4, 8):
            raw = {"architectures": [architecture], "num_hidden_layers": layers, **_TYPICAL}
            with _answers():
                built.append(adapter.build(ModelConfig(raw=raw), BuildContext()))
                adapter.draft(ModelConfig(raw=raw), BuildContext())
        counts = {spec.num_layers: parameter_count(spec) for spec in built}
        if counts.keys() == {4, 8} and counts[8] <= counts[4]:
            yield f"{architecture} has {counts[4]:,} parameters with 4 layers and {counts[8]:,} with 8"


def kv_dtype_problems(dtype: KVCacheDtype) -> Iterator[str]:
    """Heads of every usual size take bytes; so do latent vectors, where there are any."""
    for size in (64, 80, 96, 128, 192, 256):
        if dtype.head_bytes(size, size, dtype="float16") <= 0:
            yield f"{dtype.name} takes nothing for a head of {size}"
    with _answers():
        if dtype.latent_bytes(576, dtype="float16") <= 0:
            yield f"{dtype.name} takes nothing for a latent vector of 576"


def profile_problems(profile: OverheadProfile) -> Iterator[str]:
    """Every GPU and constant of a file that is read on use."""
    if not (*profile.gpus, *profile.constants) and profile.calibrated:
        yield f"{profile.name} is calibrated, and has neither GPUs nor constants"


def format_problems(form: CheckpointFormat) -> Iterator[str]:
    """A file that is empty or full of zeros ends in a VramError or in a Checkpoint."""
    for data in (b"", bytes(4096)):
        with _answers():
            header = form.read_header(lambda limit, data=data: (data[:limit], len(data)), "x")  # type: ignore[misc]
            form.checkpoint((header,), model="x", path="x")
    yield from ()


def detector_problems(detector: GpuDetector) -> Iterator[str]:
    """This machine's GPUs, or a DetectionError."""
    with suppress(DetectionError):
        detector.detect()
    yield from ()


def source_problems(source: InventorySource) -> Iterator[str]:
    """A model of which nothing is known ends in None or a VramError."""
    with _answers():
        source.inventory(Checkpoint(id="x", source="local", config=ModelConfig(raw={})), trust_remote_code=False)
    yield from ()


def reader_problems(reader: DeploymentReader) -> Iterator[str]:
    """A text that is nobody's is not claimed or holds no server, nor is a text broken for any reader."""
    for text in ("", "\x00", "nothing is served here\n", "{" * 50, "a,b\n,"):
        asked = DeploymentText(path="notes.txt", text=text)
        with _answers():
            if reader.claims(asked) and list(reader.servers(asked)):
                yield f"{reader.name} finds a server in a text without one"


def command_problems(command: Command) -> Iterator[str]:
    """What it loads is there, and the command is click's."""
    import click

    for path in (command.load, *command.library.values()):
        try:
            with silent(path):
                loaded = named(path)
        except STUMBLES as error:  # whatever an import raises is the finding
            yield f"{command.name}: {path} cannot be loaded: {type(error).__name__}: {error}"
            continue
        if path == command.load and not isinstance(loaded, click.Command):
            yield f"{command.name}: {path} is a {type(loaded).__name__}, not a click command"


def self_test_problems(test: SelfTest) -> Iterator[str]:
    """What vram makes of the model is what the test says."""
    import json
    from pathlib import Path
    from tempfile import TemporaryDirectory

    import vram

    with TemporaryDirectory() as folder:
        Path(folder, "config.json").write_text(json.dumps(dict(test.config)))
        try:
            found = vram.estimate(folder, **{"gpu": "H100", **test.arguments})  # type: ignore[arg-type]
        except VramError as error:
            yield f"{test.name}: {error}"
            return
    got = {
        "parameter_bytes": found.ranks[0].parameter_bytes,
        "weights_bytes": found.ranks[0].weights_bytes,
        "kv_bytes_per_token": found.kv_cache.bytes_per_token,
    }
    for name, value in got.items():
        expected = getattr(test, name)
        if expected is not None and value != expected:
            yield f"{test.name}: {name} is {value:,}, not {expected:,} ({test.source})"


class _answers:  # noqa: N801  reads as a word of the sentence
    """A VramError is an answer; a plugin's fault is not."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> bool:
        return isinstance(error, VramError) and not isinstance(error, PluginError)


#: by hook
PROBES: Mapping[str, Callable[[Any], Iterator[str]]] = {
    "vram_quantization_schemes": scheme_problems,
    "vram_kv_cache_dtypes": kv_dtype_problems,
    "vram_overhead_profiles": profile_problems,
    "vram_architecture_adapters": adapter_problems,
    "vram_artifacts": artifact_problems,
    "vram_checkpoint_formats": format_problems,
    "vram_deployment_readers": reader_problems,
    "vram_gpu_detectors": detector_problems,
    "vram_inventory_sources": source_problems,
    "vram_commands": command_problems,
    "vram_self_tests": self_test_problems,
    "vram_platforms": platform_problems,
}
