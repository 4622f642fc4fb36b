"""Every hook of `vram`, typed, each with a complete plugin in its docstring.

A plugin is a module named in an installed distribution's entry points under the group `vram`:

    [project.entry-points.vram]
    my_format = "my_package.my_module"

Built-ins are plugins of the same group and can do nothing that yours cannot.

Every hook may give a `Later` in place of a record: the names at once, and where the record is. Its module is imported when
one of the names is asked for, so that a package of many records costs an answer no more than the record it uses:

    from vram import hookimpl
    from vram.models.later import Later

    @hookimpl
    def vram_architecture_adapters():
        yield Later(names=("NovelForCausalLM",), load="my_package.novel:Novel")
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar, cast

from pluggy import HookspecMarker

from vram.plugin.marker import PROJECT

if TYPE_CHECKING:
    from vram.architecture.engine import Engine
    from vram.models.adapter import ArchitectureAdapter
    from vram.models.artifact import Artifact
    from vram.models.checkpoint_format import CheckpointFormat
    from vram.models.command import Command
    from vram.models.deployment_reader import DeploymentReader
    from vram.models.detected import GpuDetector
    from vram.models.inventory_source import InventorySource
    from vram.models.kv_dtype import KVCacheDtype
    from vram.models.later import Later
    from vram.models.platform import Platform
    from vram.models.profile import OverheadProfile
    from vram.models.scheme import QuantizationScheme
    from vram.models.self_test import SelfTest

F = TypeVar("F", bound=Callable[..., object])
hookspec = cast("Callable[[F], F]", HookspecMarker(PROJECT))


@hookspec
def vram_quantization_schemes() -> Iterable[QuantizationScheme | Later]:
    """Quantization formats: how each module of a checkpoint is stored.

    A format of 3 bits with one fp16 scale per 64 inputs, everything but the LM head quantized:

        from vram import hookimpl
        from vram.models.scheme import Format, Quantization, QuantizationScheme, StoredTensor

        class ThreeBit(Format):
            bits_per_weight = 3 + 16 / 64

            def linear(self, shape):
                weights = shape.rows * shape.inputs
                return (
                    StoredTensor(name="qweight", elements=weights * 3 // 8, dtype="uint8"),
                    StoredTensor(name="scales", elements=weights // 64, dtype="float16"),
                )

            def experts(self, shape):
                weights = shape.experts * shape.hidden_size * (shape.up_rows + shape.intermediate_size)
                return (
                    StoredTensor(name="qweight", elements=weights * 3 // 8, dtype="uint8"),
                    StoredTensor(name="scales", elements=weights // 64, dtype="float16"),
                )

        class Bound(Quantization):
            name = "three_bit"
            def format_for(self, module):
                return None if module.kind == "lm_head" else ThreeBit()

        class Scheme(QuantizationScheme):
            name = "three_bit"
            methods = ("three_bit",)
            def bind(self, request):
                return Bound()

        @hookimpl
        def vram_quantization_schemes():
            yield Scheme()
    """
    return ()


@hookspec
def vram_kv_cache_dtypes() -> Iterable[KVCacheDtype | Later]:
    """KV cache dtypes: the bytes one token's keys and values take. See `vram.models.kv_dtype.KVCacheDtype`.

    One of six bits:

        from vram import hookimpl
        from vram.models.kv_dtype import KVCacheDtype

        @hookimpl
        def vram_kv_cache_dtypes():
            yield KVCacheDtype(name="int6", bits=6)
    """
    return ()


@hookspec
def vram_overhead_profiles() -> Iterable[OverheadProfile | Later]:
    """Overhead profiles: GPUs with their hardware facts, and the constants measured on them.

    A file beside the plugin's code:

        from importlib.resources import files
        from vram import hookimpl
        from vram.profiles import read_profile

        @hookimpl
        def vram_overhead_profiles():
            yield read_profile(files("my_package") / "my_gpu.toml")
    """
    return ()


@hookspec
def vram_platforms() -> Iterable[Platform | Later]:
    """Platforms besides CUDA: what their GPUs have, which backends serve, what loading makes of weights.

    An accelerator whose attention reads blocks of 128 tokens and which runs no fp8 weights, beside a profile (`vram_overhead_profiles`)
    whose file says `platform = "tide"` and whose `[[gpus]]` say `architecture = "t1"` in place of a compute capability:

        from vram import hookimpl
        from vram.architecture.backends import AttentionTable, Backend
        from vram.architecture.blocks import Blocks
        from vram.models.platform import Devices, Platform

        TIDE = Backend(name="TIDE_ATTN", blocks=lambda need: Blocks(sizes=(128,)))

        def problem(chip, method, version):
            return f"Tide {chip.architecture} has no {method}" if method == "fp8" else ""

        @hookimpl
        def vram_platforms():
            yield Platform(
                name="tide",
                title="Tide accelerators",
                problem=problem,
                attention=AttentionTable(candidates=lambda need: (TIDE,), by_name={"TIDE_ATTN": TIDE}.get),
                devices=Devices(
                    resource="tide.example/npu", product_label="tide.example/product", image="tide/vllm",
                    paths=("/dev/tide",),  # what a compose file hands in: without it, nothing
                ),
            )
    """
    return ()


@hookspec
def vram_architecture_adapters() -> Iterable[ArchitectureAdapter | Later]:
    """Architecture adapters: from a config.json to the model as vLLM builds it.

    A Llama-like decoder from blocks (where a model differs from Llama in a few names, `DecoderFamily` is shorter):

        from vram import hookimpl
        from vram.architecture import decoder, dimensions, gated_mlp, gqa, layer, norms, runs_by_kind
        from vram.models.adapter import ArchitectureAdapter

        class Adapter(ArchitectureAdapter):
            name = "my_model"
            architectures = ("MyModelForCausalLM",)

            def build(self, config, context):
                dims = dimensions(config)

                def block(kind):
                    attention = gqa(
                        hidden_size=dims.hidden_size, num_heads=dims.num_attention_heads,
                        num_kv_heads=dims.num_key_value_heads, head_dim=dims.head_dim,
                    )
                    mlp = gated_mlp(hidden_size=dims.hidden_size, intermediate_size=dims.intermediate_size)
                    return layer(attention, mlp, norms(dims.hidden_size))

                runs = runs_by_kind(["all alike"] * dims.num_hidden_layers, block)
                return decoder(config, dims, runs=runs, context=context)

        @hookimpl
        def vram_architecture_adapters():
            yield Adapter()
    """
    return ()


@hookspec
def vram_artifacts() -> Iterable[Artifact | Later]:
    """Files to deploy an answer with, for `vram generate --emit NAME`: a serve command, a compose file.

    One that writes the engine arguments as JSON, for a launcher of one's own:

        import json

        from vram import hookimpl
        from vram.models.artifact import Artifact, GeneratedFile

        class JsonArguments(Artifact):
            name = "json-arguments"
            description = "arguments.json: the model and its engine arguments"

            def render(self, request):
                arguments = {"model": request.model, **request.asked.engine_args}
                return (GeneratedFile(path="arguments.json", text=json.dumps(arguments, indent=1)),)

        @hookimpl
        def vram_artifacts():
            yield JsonArguments()

    Names of models are strangers' text: quote them. See `vram.models.artifact.ArtifactRequest`.
    """
    return ()


@hookspec
def vram_engines() -> Iterable[Engine | Later]:
    """Serving engines that build a model without a GPU. `--ask-vllm` asks the one called "vllm" and no other: one of yours takes that
    name, and `VRAM_DISABLED_PLUGINS=ask_vllm` the built-in one away. A whole engine is on the page "Add an engine that is asked".

        from vram import hookimpl
        from my_package.engine import House  # a vram.architecture.engine.Engine

        @hookimpl
        def vram_engines():
            yield House()
    """
    return ()


@hookspec
def vram_checkpoint_formats() -> Iterable[CheckpointFormat | Later]:
    """Files that tell of a whole model by themselves, as GGUF does: from a header, here or on the Hub, to a checkpoint.

    One that begins with its config as a line of JSON:

        import json

        from vram import hookimpl
        from vram.errors import HeaderError
        from vram.models.checkpoint import Checkpoint
        from vram.models.checkpoint_format import CheckpointFormat
        from vram.models.config import ModelConfig

        class OneFile(CheckpointFormat):
            name = "one-file"
            suffixes = (".onefile",)

            def read_header(self, read, path):
                start, size = read(100_000)
                try:
                    return json.loads(start.partition(b"\\n")[0]), size
                except ValueError:
                    raise HeaderError(path=path, problem="the first line is no JSON") from None

            def checkpoint(self, headers, *, model, path):
                config, size = headers[0]
                return Checkpoint(id=model, source="local", config=ModelConfig(raw=config, path=path), stored_bytes=size)

        @hookimpl
        def vram_checkpoint_formats():
            yield OneFile()
    """
    return ()


@hookspec
def vram_deployment_readers() -> Iterable[DeploymentReader | Later]:
    """Kinds of file in which vLLM servers are written down, for `vram check`, `--from-file` and the page.

    A chart of one's own whose values hold a list of models:

        from vram import hookimpl
        from vram.models.deployment_reader import DeploymentReader, FoundServer

        class Chart(DeploymentReader):
            name = "my-chart"
            rank = 2

            def claims(self, text):
                return text.path.endswith("my-chart.csv")

            def servers(self, text):
                for line, row in enumerate(text.text.splitlines(), start=1):
                    model, gpu, length = row.split(",")
                    words = (model, "--max-model-len", length)
                    yield FoundServer(line=line, kind="my-chart", name=model, words=words, gpu=gpu)

        @hookimpl
        def vram_deployment_readers():
            yield Chart()
    """
    return ()


@hookspec
def vram_gpu_detectors() -> Iterable[GpuDetector | Later]:
    """Who asks this machine for its GPUs, for `--gpu auto` and `vram detect`: one for each vendor's driver.

    One that knows what its own cloud rents, where the driver says nothing:

        import os

        from vram import hookimpl
        from vram.errors import DetectionError
        from vram.models.detected import DetectedGpu, GpuDetector

        def detect():
            name = os.environ.get("MY_CLOUD_GPU")
            if not name:
                raise DetectionError(problem="this is no machine of my cloud", next="Name a GPU with --gpu.")
            return (DetectedGpu(index=0, name=name),)

        @hookimpl
        def vram_gpu_detectors():
            yield GpuDetector(name="my_cloud", detect=detect)
    """
    return ()


@hookspec
def vram_inventory_sources() -> Iterable[InventorySource | Later]:
    """Who tells the tensors of a model that no adapter knows and no header describes, as transformers' own class does.

    One that asks a folder of notes:

        from pathlib import Path

        from vram import hookimpl
        from vram.models.checkpoint import HeaderTensor, Inventory
        from vram.models.inventory_source import InventorySource

        class Notes(InventorySource):
            name = "notes"

            def inventory(self, checkpoint, *, trust_remote_code):
                note = Path("notes", checkpoint.config.architecture)
                if not note.is_file():
                    return None
                count = int(note.read_text())
                tensor = HeaderTensor(name="all", dtype="bfloat16", shape=(count,), nbytes=2 * count)
                return Inventory(tensors=(tensor,), total_bytes=tensor.nbytes, files=0)

        @hookimpl
        def vram_inventory_sources():
            yield Notes()
    """
    return ()


@hookspec
def vram_self_tests() -> Iterable[SelfTest | Later]:
    """Models with the bytes that vLLM makes of them, which `vram plugins check` compares: for what is plausible and may be wrong.

    One layer in a format of 6 bits, summed by hand:

        from vram import hookimpl
        from vram.models.self_test import SelfTest

        CONFIG = {
            "architectures": ["LlamaForCausalLM"], "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 1,
            "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256, "max_position_embeddings": 8192,
            "torch_dtype": "bfloat16",
        }

        @hookimpl
        def vram_self_tests():
            yield SelfTest(
                name="llama-one-layer",
                config=CONFIG,
                arguments={"gpu": "H100"},
                kv_bytes_per_token=2 * 8 * 128 * 2,  # keys and values of 8 heads of 128, two bytes each
                source="by hand",
            )
    """
    return ()


@hookspec
def vram_commands() -> Iterable[Command]:
    """Commands: words behind `vram`, and names that the library gets with them.

    One that prints the share of a GPU's memory that weights take, in a package `my_package`. Its entry point is called
    `command_` and something (`command_weigh = "my_package"`): such modules are all that `--help` and completion import of
    plugins, so put nothing else there, and import nothing but these two:

        from vram import hookimpl
        from vram.models.command import Command

        @hookimpl
        def vram_commands():
            yield Command(
                name="weigh",
                summary="How much of a GPU the weights take.",
                load="my_package.weigh:command",
                library={"weights_share": "my_package.weigh:weights_share"},
            )

    `my_package/weigh.py` is imported when somebody calls `vram weigh` or `vram.weights_share`:

        import click
        import vram
        from vram.commands import estimate_from, hardware_options, model_options, engine_options, workload_options

        def weights_share(model, **arguments):
            return share_of(vram.estimate(model, **arguments))

        def share_of(estimate):
            return estimate.memory.weights.expected / estimate.deployment.gpu_memory_bytes

        @click.command()
        @model_options
        @hardware_options
        @engine_options
        @workload_options
        def command(**options):
            click.echo(f"{share_of(estimate_from(options)):.0%}")
    """
    return ()
