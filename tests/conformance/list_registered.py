"""What an installed vLLM registers, and the default config of each architecture whose config class it has.

    V/bin/python tests/conformance/list_registered.py > registered.json     # in an environment with vLLM

`registry.py` runs it. Needs no GPU.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.update(VLLM_LOGGING_LEVEL="ERROR", HF_HUB_OFFLINE="1", CUDA_VISIBLE_DEVICES="")
sys.path.insert(0, str(Path(__file__).parent))
#: written into every config, of no consequence to memory
_NOISE = ("transformers_version", "id2label", "label2id", "problem_type", "_attn_implementation")


def main() -> None:
    """Print one JSON object: the version, the names by kind, the default configs."""
    from ask_vllm import pretend

    out = os.dup(1)
    os.dup2(2, 1)  # what libraries print goes elsewhere
    pretend("h100")
    import vllm
    from vllm.model_executor.models import registry

    kinds = {name: getattr(registry, name) for name in dir(registry) if name.endswith("_MODELS")}
    known = {
        name.strip("_").removesuffix("_MODELS").lower(): kinds[name]
        for name in sorted(kinds)
        if isinstance(kinds[name], dict) and name != "_VLLM_MODELS"
    }
    names = list(dict.fromkeys(name for group in known.values() for name in group))
    answer = {
        "vllm": vllm.__version__,
        "registered": {kind: {n: _place(p) for n, p in group.items()} for kind, group in known.items()},
        "configs": {name: config for name in names if (config := _default(name)) is not None},
    }
    with os.fdopen(out, "w") as file:
        json.dump(answer, file, default=str)


def _place(place: Any) -> str:
    """Module and class of a registered name; the version or the plugin of one that is not in vLLM."""
    return place if isinstance(place, str) else ":".join(place)


def _model_types() -> dict[str, str]:
    """transformers' classes and the model types that they are made for."""
    auto = importlib.import_module("transformers.models.auto.modeling_auto")
    found: dict[str, str] = {}
    for attribute in dir(auto):
        if attribute.endswith("_MAPPING_NAMES"):
            for model_type, classes in getattr(auto, attribute).items():
                for name in (classes,) if isinstance(classes, str) else classes:
                    found.setdefault(name, model_type)
    return found


def _default(architecture: str, known: dict[str, str] = {}) -> dict[str, Any] | None:  # noqa: B006  read once
    """The config that its class makes of nothing, as `save_pretrained` writes it."""
    from transformers import AutoConfig
    from vllm.transformers_utils.config import _CONFIG_REGISTRY

    known.update({} if known else _model_types())
    model_type = known.get(architecture) or _own_type(architecture, _CONFIG_REGISTRY)
    if model_type is None:
        return None
    try:
        own = model_type in _CONFIG_REGISTRY
        config = _CONFIG_REGISTRY[model_type]() if own else AutoConfig.for_model(model_type)
        made = json.loads(json.dumps(config.to_diff_dict(), default=str))
    except Exception as error:  # noqa: BLE001  a class that makes nothing of nothing
        print(architecture, model_type, repr(error)[:150], file=sys.stderr)
        return None
    cleaned = _without_noise(made)
    return {"architectures": [architecture], "model_type": model_type, "dtype": "bfloat16", **cleaned} | {
        "architectures": [architecture]
    }


def _own_type(architecture: str, registry: dict[str, Any]) -> str | None:
    """One of vLLM's own config classes whose name is the architecture's."""
    plain = architecture.lower()
    for ending in ("forcausallm", "forconditionalgeneration", "model"):
        plain = plain.removesuffix(ending)
    return next((kind for kind in registry if kind.replace("_", "") == plain.replace("_", "")), None)


def _without_noise(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_noise(item) for name, item in value.items() if name not in _NOISE}
    return [_without_noise(item) for item in value] if isinstance(value, list) else value


if __name__ == "__main__":
    main()
