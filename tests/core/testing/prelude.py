"""Right plugins of every kind, which each deliberate mistake changes in one place. Its text begins every module under test."""

import json
import math  # noqa: F401
import os  # noqa: F401

import click

from vram import hookimpl  # noqa: F401
from vram.architecture import DecoderFamily
from vram.architecture.backends import AttentionTable, Backend
from vram.architecture.blocks import Blocks
from vram.architecture.engine import Engine, Told, ToldPlan, ToldRank  # noqa: F401
from vram.errors import DetectionError, HeaderError, InputError  # noqa: F401
from vram.models.adapter import ArchitectureAdapter  # noqa: F401
from vram.models.artifact import Artifact, GeneratedFile
from vram.models.cache import AttentionCache  # noqa: F401
from vram.models.checkpoint import Checkpoint, HeaderTensor, Inventory
from vram.models.checkpoint_format import CheckpointFormat
from vram.models.command import Command
from vram.models.config import ModelConfig
from vram.models.deployment_reader import DeploymentReader, FoundServer
from vram.models.detected import DetectedGpu, GpuDetector  # noqa: F401
from vram.models.inventory_source import InventorySource
from vram.models.kv_dtype import KVCacheDtype
from vram.models.later import Later  # noqa: F401
from vram.models.parameters import Linear, Split, Tensor  # noqa: F401
from vram.models.platform import Devices, Platform
from vram.models.profile import Constant, Gpu, OverheadProfile
from vram.models.record import evolve, frozen  # noqa: F401
from vram.models.scheme import Format, Quantization, QuantizationScheme, StoredTensor
from vram.models.self_test import SelfTest
from vram.models.spec import LayerRun, ModelSpec  # noqa: F401


class OneByte(Format):
    bits_per_weight = 8.0

    def linear(self, shape):
        return (StoredTensor(name="weight", elements=shape.rows * shape.inputs, dtype="int8"),)

    def experts(self, shape):
        per_row = shape.experts * shape.hidden_size
        return (
            StoredTensor(name="w13", elements=per_row * shape.up_rows, dtype="int8"),
            StoredTensor(name="w2", elements=per_row * shape.intermediate_size, dtype="int8"),
        )


class Bound(Quantization):
    name = "m"
    form = OneByte()

    def format_for(self, module):
        return None if module.kind == "lm_head" else self.form


class Scheme(QuantizationScheme):
    name = "m"
    methods = ("m",)
    bound = Bound()

    def bind(self, request):
        return self.bound


def of(form, **attributes):
    """The right scheme with a format of another class."""
    bound = type("Other", (Bound,), {"form": form, **attributes})()
    return type("OtherScheme", (Scheme,), {"bound": bound})()


class Family(DecoderFamily):
    architectures = ("MForCausalLM",)


def spec(**changes):
    """An adapter that describes the right model, but for some fields."""

    def build(self, config, context):
        return evolve(Family.build(self, config, context), **changes)

    return type("Changed", (Family,), {"build": build})()


def dtype(**changes):
    return KVCacheDtype(**{"name": "m", "bits": 8, **changes})


def gpu(**changes):
    right = {
        "name": "M1",
        "family": "m",
        "memory_bytes": 80 * 2**30,
        "compute_capability": (9, 0),
        "bandwidth": 3.35e12,
        "dense_flops": (("bf16", 9e14),),
        "source": "the vendor",
    }
    return OverheadProfile(name="m", gpus=(Gpu(**{**right, **changes}),), calibrated=False)


def constant(**changes):
    right = {
        "name": "non_torch_bytes",
        "value": 2e8,
        "low": 1e8,
        "high": 3e8,
        "provenance": "measured",
        "source": "a log",
    }
    return OverheadProfile(name="m", gpus=gpu().gpus, constants=(Constant(**{**right, **changes}),))


class Json(Artifact):
    name = "m"
    description = "m.json"

    def render(self, request):
        return (GeneratedFile(path="m.json", text=json.dumps({"model": request.model, "words": list(request.words)})),)


def writing(path, text=None):
    """An artifact of one file."""

    def render(self, request):
        return (GeneratedFile(path=path, text="x" if text is None else text(request)),)

    return type("Writing", (Json,), {"render": render})()


class OneFile(CheckpointFormat):
    name = "m"
    suffixes = (".m",)

    def read_header(self, read, path):
        start, size = read(100_000)
        try:
            return dict(json.loads(start)), size
        except ValueError:
            raise HeaderError(path=path, problem="is no JSON") from None

    def checkpoint(self, headers, *, model, path):
        config, size = headers[0]
        return Checkpoint(id=model, source="local", config=ModelConfig(raw=config, path=path), stored_bytes=size)


class Chart(DeploymentReader):
    name = "m"
    rank = 2

    def claims(self, text):
        return text.path.endswith(".chart")

    def servers(self, text):
        return [FoundServer(line=1, kind="m", words=("Qwen/Qwen3-8B",))]


def serving(**changes):
    """A reader that finds one server with other fields."""

    def servers(self, text):
        return [FoundServer(**{"line": 1, "kind": "m", "words": ("Qwen/Qwen3-8B",), **changes})]

    return type("Serving", (Chart,), {"servers": servers})()


def detecting(*gpus):
    return GpuDetector(name="m", detect=lambda: gpus)


class Notes(InventorySource):
    name = "m"

    def inventory(self, checkpoint, *, trust_remote_code):
        tensor = HeaderTensor(name="all", dtype="bfloat16", shape=(10**6,), nbytes=2 * 10**6)
        return Inventory(tensors=(tensor,), total_bytes=tensor.nbytes, files=0)


class Asked(Engine):
    name = "m"

    def ask(self, request, pools_of):
        raise InputError(name="engine", value="m", problem="builds nothing")

    def cross_check(self, arguments, *, as_json):
        return True


def command(**changes):
    right = {"name": "do-it", "summary": "What it does.", "load": f"{__name__}:does"}
    return Command(**{**right, **changes})


@click.command()
def does():
    click.echo("done")


LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 1,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "vocab_size": 32000,
    "max_position_embeddings": 4096,
    "torch_dtype": "bfloat16",
}


def test(**changes):
    #: keys and values of 8 heads of 64, two bytes each
    right = {"name": "m", "config": LLAMA, "kv_bytes_per_token": 2 * 8 * 64 * 2, "source": "by hand"}
    return SelfTest(**{**right, **changes})


TIDE = Backend(name="M_ATTN", blocks=lambda need: Blocks(sizes=(128,)))


def platform(**changes):
    right = {
        "name": "m",
        "title": "M's accelerators",
        "problem": lambda chip, method, version: "",
        "attention": AttentionTable(candidates=lambda need: (TIDE,), by_name={"M_ATTN": TIDE}.get),
        "devices": Devices(resource="m/npu", product_label="m/product", image="m/vllm"),
    }
    return Platform(**{**right, **changes})
