"""One hook of each kind but commands (those are in `commands.py`). Keep what you need."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar

from vram import hookimpl
from vram.architecture import DecoderFamily
from vram.architecture.backends import AttentionTable, Backend
from vram.architecture.blocks import Blocks
from vram.architecture.engine import Engine, EngineRequest, Told
from vram.errors import DetectionError, HeaderError, InputError
from vram.models.adapter import ArchitectureAdapter
from vram.models.artifact import Artifact, ArtifactRequest, GeneratedFile
from vram.models.checkpoint import Checkpoint, Inventory
from vram.models.checkpoint_format import CheckpointFormat, ReadStart
from vram.models.config import ModelConfig
from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram.models.detected import DetectedGpu, GpuDetector
from vram.models.inventory_source import InventorySource
from vram.models.kv_dtype import KVCacheDtype
from vram.models.parameters import LocalExperts, LocalLinear
from vram.models.platform import Devices, Platform
from vram.models.profile import OverheadProfile
from vram.models.scheme import Format, ModuleRef, Quantization, QuantizationRequest, QuantizationScheme, StoredTensor
from vram.models.self_test import SelfTest
from vram.profiles import read_profile


class SixBit(Format):
    """Six bits a weight, an fp16 scale per output. Shapes are those of one GPU."""

    @property
    def bits_per_weight(self) -> float:
        return 6.0

    def linear(self, shape: LocalLinear) -> tuple[StoredTensor, ...]:
        return self._stored(shape.rows * shape.inputs, shape.rows)

    def experts(self, shape: LocalExperts) -> tuple[StoredTensor, ...]:
        outputs = shape.experts * (shape.up_rows + shape.hidden_size)
        return self._stored(shape.experts * shape.hidden_size * (shape.up_rows + shape.intermediate_size), outputs)

    def _stored(self, weights: int, outputs: int) -> tuple[StoredTensor, ...]:
        return (
            StoredTensor(name="weight", elements=weights * 6 // 8, dtype="uint8"),
            StoredTensor(name="scale", elements=outputs, dtype="float16"),
        )


class AllButTheHead(Quantization):
    name = "my_format"

    def format_for(self, module: ModuleRef) -> Format | None:
        return None if module.kind == "lm_head" else SixBit()


class MyScheme(QuantizationScheme):
    """`quant_method: my_format` in a checkpoint's config."""

    name = "my_format"
    methods = ("my_format",)

    def bind(self, request: QuantizationRequest) -> Quantization:
        return AllButTheHead()


class MyModel(DecoderFamily):
    """Llama, with norms of q and k per head."""

    architectures = ("MyModelForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {"tie_word_embeddings": False}
    qk_norm = "head"


#: how `vram_platforms`' accelerator reads the cache
MY_ATTENTION = Backend(name="MY_ATTN", blocks=lambda need: Blocks(sizes=(128,)))


class MyArtifact(Artifact):
    name = "my-launcher"
    description = "my-launcher.json: the model and its flags"

    def render(self, request: ArtifactRequest) -> tuple[GeneratedFile, ...]:
        told = {"model": request.model, "flags": list(request.words), "gpus": request.gpus}
        return (GeneratedFile(path="my-launcher.json", text=json.dumps(told, indent=1) + "\n"),)


class MyEngine(Engine):
    """A server of your own that can say, without a GPU, what it would build.

    `--ask-vllm` asks the one called "vllm" alone: call yours so, and set VRAM_DISABLED_PLUGINS=ask_vllm.
    """

    name = "my-engine"

    def ask(self, request: EngineRequest, pools_of: Callable[[Told], tuple[int, ...]]) -> Told:
        raise InputError(name="engine", value=self.name, problem="is a template and builds nothing")

    def cross_check(self, arguments: Mapping[str, Any], *, as_json: bool) -> bool:
        raise InputError(name="engine", value=self.name, problem="is a template and compares nothing")


class MyFile(CheckpointFormat):
    """`model.myfile`: the config as a line of JSON, then the weights."""

    name = "my-file"
    suffixes = (".myfile",)

    def read_header(self, read: ReadStart, path: str) -> tuple[dict[str, Any], int | None]:
        start, size = read(100_000)
        try:
            return dict(json.loads(start.partition(b"\n")[0])), size
        except (ValueError, TypeError):
            raise HeaderError(path=path, problem="the first line is no JSON object") from None

    def checkpoint(self, headers: tuple[Any, ...], *, model: str, path: str) -> Checkpoint:
        config, size = headers[0]
        return Checkpoint(id=model, source="local", config=ModelConfig(raw=config, path=path), stored_bytes=size)


class MyChart(DeploymentReader):
    """`my-chart.csv`: a model, a GPU and a length in each line."""

    name = "my-chart"
    rank = 2

    def claims(self, text: DeploymentText) -> bool:
        return text.path.endswith("my-chart.csv")

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        for line, row in enumerate(text.text.splitlines(), start=1):
            model, gpu, length = row.split(",")
            words = (model, "--max-model-len", length)
            yield FoundServer(line=line, kind="my-chart", name=model, words=words, gpu=gpu)


def my_gpus() -> tuple[DetectedGpu, ...]:
    """The GPU that the environment names."""
    name = os.environ.get("MY_GPU")
    if not name:
        raise DetectionError(problem="MY_GPU is not set", next="You can also name a GPU with --gpu.")
    return (DetectedGpu(index=0, name=name),)


class MyNotes(InventorySource):
    """Tensors of models that nobody else describes; here of none."""

    name = "my_notes"

    def inventory(self, checkpoint: Checkpoint, *, trust_remote_code: bool) -> Inventory | None:
        return None


#: one layer, summed by hand: keys and values of 8 heads of 128, two bytes each
MY_TEST = SelfTest(
    name="my-model-one-layer",
    config={
        "architectures": ["MyModelForCausalLM"], "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 1,
        "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 32000, "max_position_embeddings": 8192,
        "torch_dtype": "bfloat16",
    },
    arguments={"gpu": "H100"},
    kv_bytes_per_token=2 * 8 * 128 * 2,
    source="by hand",
)  # fmt: skip


@hookimpl
def vram_quantization_schemes() -> Iterable[QuantizationScheme]:
    yield MyScheme()


@hookimpl
def vram_kv_cache_dtypes() -> Iterable[KVCacheDtype]:
    yield KVCacheDtype(name="my_int6", bits=6)


@hookimpl
def vram_overhead_profiles() -> Iterable[OverheadProfile]:
    yield read_profile(Path(str(files("vram_mine") / "my_gpu.toml")))


@hookimpl
def vram_platforms() -> Iterable[Platform]:
    yield Platform(
        name="my_platform",
        title="My accelerators",
        problem=lambda chip, method, version: "",
        attention=AttentionTable(candidates=lambda need: (MY_ATTENTION,), by_name={"MY_ATTN": MY_ATTENTION}.get),
        devices=Devices(
            resource="my.example/npu", product_label="my.example/product", image="mine/vllm", paths=("/dev/my_npu",)
        ),
    )


@hookimpl
def vram_architecture_adapters() -> Iterable[ArchitectureAdapter]:
    yield MyModel()


@hookimpl
def vram_artifacts() -> Iterable[Artifact]:
    yield MyArtifact()


@hookimpl
def vram_engines() -> Iterable[Engine]:
    yield MyEngine()


@hookimpl
def vram_checkpoint_formats() -> Iterable[CheckpointFormat]:
    yield MyFile()


@hookimpl
def vram_deployment_readers() -> Iterable[DeploymentReader]:
    yield MyChart()


@hookimpl
def vram_gpu_detectors() -> Iterable[GpuDetector]:
    yield GpuDetector(name="my_gpus", detect=my_gpus)


@hookimpl
def vram_inventory_sources() -> Iterable[InventorySource]:
    yield MyNotes()


@hookimpl
def vram_self_tests() -> Iterable[SelfTest]:
    yield MY_TEST
