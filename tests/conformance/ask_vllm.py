"""Ask vLLM itself, without a GPU: parameters per rank, KV specs and its KV plan, many questions in one process.

    V/bin/python tests/conformance/ask_vllm.py --questions QUESTIONS.jsonl --out ANSWERS.jsonl

V is an environment with vLLM (`docs/how-to/ask-your-vllm.md` makes one); of this project it needs only these files. A question:

    {"id": "…", "gpu": "h100", "tp": 1, "pp": 1, "args": {}, "available_gib": 24, "config": {…}, "files": {"name.json": {…}}, "dump": false}

`registry.py` and `follow` write them and run this. The pretending and the building are those of `vram estimate --ask-vllm`
(`child.py`); what is added here is what questions about bare configs need: stand-ins for config classes and tokenizers that come
with a model's repository, and a forked child per question after one import per GPU. About 10 s to start, then a second per question.
"""

from __future__ import annotations

import argparse
import collections
import importlib.util
import json
import os
import re
import sys
import tempfile
import types
from pathlib import Path
from typing import Any, ClassVar

GIB = 2**30
_CHILD = Path(__file__).parents[2] / "plugins/vram_plugins/ask_vllm/child.py"
#: name: (device name, compute capability, total GiB as CUDA reports it)
GPUS = {
    "h100": ("NVIDIA H100 80GB HBM3", (9, 0), 79.18),
    "h200": ("NVIDIA H200", (9, 0), 139.80),
    "a100": ("NVIDIA A100-SXM4-80GB", (8, 0), 79.25),
    "l40s": ("NVIDIA L40S", (8, 9), 44.40),
    "4090": ("NVIDIA GeForce RTX 4090", (8, 9), 23.53),
    "l4": ("NVIDIA L4", (8, 9), 22.17),
    "t4": ("Tesla T4", (7, 5), 14.58),
    "b200": ("NVIDIA B200", (10, 0), 178.35),
    "5090": ("NVIDIA GeForce RTX 5090", (12, 0), 31.36),
}


def _load_child() -> Any:
    """The program of `--ask-vllm` as a module, without the package around it, which needs vram."""
    spec = importlib.util.spec_from_file_location("child", _CHILD)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["child"] = module
    spec.loader.exec_module(module)
    return module


child = _load_child()


def pretend(gpu: str) -> None:
    """Import vLLM on a machine that seems to have this one of `GPUS`."""
    name, capability, total = GPUS[gpu]
    child.pretend(
        {"name": name, "capability": list(capability), "memory_bytes": int(total * GIB), "sm_count": 132},
    )


class _Asked(child.Asked):  # type: ignore[name-defined,misc]
    """One question; keeps the last rank's model, whose tensors may be asked for."""

    model: Any = None

    def _model(self) -> Any:
        import torch

        torch.distributions.Distribution.set_default_validate_args(
            False
        )  # Gemma 3n's quantiles: a check that looks at data
        self.model = super()._model()
        return self.model


def main() -> None:
    """Answer every question, each in a forked child after one import per GPU."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True)
    parser.add_argument("--timeout", type=int, default=120)
    parser.add_argument("--questions", type=Path, required=True, help="a line each; `dump` lists tensors")
    options = parser.parse_args()
    asked = [json.loads(line) for line in options.questions.read_text().splitlines()]
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
    from vllm.model_executor.models.registry import ModelRegistry

    try:
        tokenizers: Any = importlib.import_module("vllm.tokenizers")
        tokenizers.cached_tokenizer_from_config = lambda *_, **__: _NoTokenizer()
    except ImportError:  # before 0.13
        pass
    _without_processors()
    for name in dict.fromkeys(name for question in asked for name in question["config"].get("architectures") or ()):
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
    """vLLM's answer to one question. `specs` are the first rank's: class, layers, tokens and bytes of a page."""
    config = question["config"]
    _stand_in_for_remote_code(config)
    arguments = dict(question["args"])
    if question["tp"] > 1:
        arguments["tensor_parallel_size"] = question["tp"]
    if question["pp"] > 1:
        arguments["pipeline_parallel_size"] = question["pp"]
    asked = _Asked({"model": _folder(config, question.get("files") or {}), "args": arguments})
    built = asked.built()
    told = ("vllm", "dtype", "max_model_len", "max_num_seqs", "max_num_batched_tokens", "block_size", "backends")
    answer: dict[str, Any] = {name: built[name] for name in told}
    answer["parameter_bytes"] = [rank["parameter_bytes"] for rank in built["ranks"]]
    answer["specs"] = [
        [spec["classes"][0], spec["layers"], spec["block_size"], spec["page_bytes"]]
        for spec in built["ranks"][0]["specs"]
    ]
    if question.get("dump"):
        named = [*asked.model.named_parameters(), *asked.model.named_buffers()]
        answer["tensors"] = {name: [*tensor.shape, str(tensor.dtype)] for name, tensor in named}
        answer["kv"] = collections.Counter(
            re.sub(r"[\w.]*float", "float", repr(spec)) for spec in asked.specs[-1].values()
        )
    planned = asked.planned([int(question["available_gib"] * GIB)] * question["pp"])
    if "groups" in planned:
        planned["groups"] = dict(collections.Counter(layers for layers, _ in planned["groups"]))
    planned.pop("max_model_len", None)
    return {**answer, **planned}


def _folder(config: dict[str, Any], files: dict[str, Any]) -> str:
    folder = tempfile.mkdtemp()
    for name, content in files.items():
        Path(folder, name).parent.mkdir(exist_ok=True)
        Path(folder, name).write_text(json.dumps(content))
    Path(folder, "config.json").write_text(json.dumps({k: v for k, v in config.items() if k != "auto_map"}))
    return folder


def _stand_in_for_remote_code(config: dict[str, Any]) -> None:
    """A config class that keeps what it is given, for a model type whose own comes with the model's repository."""
    import transformers
    from transformers import AutoConfig
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    from vllm.transformers_utils.config import _CONFIG_REGISTRY

    base: Any = getattr(transformers, "PreTrainedConfig", None) or transformers.PretrainedConfig  # 5, before

    def known(model_type: Any) -> bool:
        return model_type in CONFIG_MAPPING or model_type in _CONFIG_REGISTRY

    def section(value: Any, name: str) -> Any:
        if not isinstance(value, dict):
            return value
        if value.get("model_type") in CONFIG_MAPPING:
            made = CONFIG_MAPPING[value["model_type"]]
            made = made.sub_configs.get(name, made)  # a section that names the whole model it is one of
            return made(**{k: v for k, v in value.items() if k != "model_type"})
        return base(**{k: section(v, k) if is_section(k) else v for k, v in value.items()})

    def is_section(name: str) -> bool:
        return name in ("encoder", "decoder") or (name.endswith("_config") and name != "quantization_config")

    def kept(name: str, value: Any) -> Any:
        if name.endswith("_configs"):  # Nemotron's layers, each an object of objects
            return json.loads(json.dumps(value), object_hook=_Fields)
        return section(value, name) if is_section(name) else value

    class StandIn(base):  # type: ignore[misc]
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


if __name__ == "__main__":
    main()
