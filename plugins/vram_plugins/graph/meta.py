"""The parameters of any transformers model, from building it on accelerate's meta device (`[graph]` extra).

For architectures no adapter knows: nothing is allocated and no weight is read, but torch and transformers are
imported, which takes seconds.
"""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vram.errors import ArchitectureError, CheckpointError, RemoteCodeError, VramError
from vram.models.checkpoint import Checkpoint, HeaderTensor, Inventory
from vram.models.config import ModelConfig
from vram.models.inventory_source import InventorySource

_EXTRA = ("torch", "accelerate", "transformers")
#: transformers' tables of model types and of model classes (4.57 keeps the first in the second file, 5 in the first)
_TYPES = ("auto_mappings.py", "configuration_auto.py")
_CLASSES = ("modeling_auto.py",)


class Transformers(InventorySource):
    """transformers' own class of the model."""

    name = "transformers"

    def inventory(self, checkpoint: Checkpoint, *, trust_remote_code: bool) -> Inventory | None:
        """None where `buildable` says so; else as `meta_inventory`, with its errors."""
        config = checkpoint.config
        if not buildable(config):
            return None
        where = os.path.dirname(config.path) or "." if checkpoint.source == "local" else checkpoint.id
        return meta_inventory(where, config, trust_remote_code=trust_remote_code, revision=checkpoint.revision)


def buildable(config: ModelConfig) -> bool:
    """Whether building is worth trying: the extra is installed, and transformers' own tables have the class that the config
    names, or its repository brings code. Told from the tables' text, since importing torch takes seconds and 300 MiB: a
    config that names no class of transformers cannot be built, whatever else it says.
    """
    if any(find_spec(package) is None for package in _EXTRA):
        return False
    return _needs_code(config) or any(f'"{name}"' in _table(_CLASSES) for name in config.strings("architectures"))


@cache
def _table(files: tuple[str, ...]) -> str:
    """The text of transformers' tables; none of it is run."""
    found = find_spec("transformers")
    folders = list(found.submodule_search_locations or ()) if found is not None else []
    paths = [Path(folder, "models", "auto", name) for folder in folders for name in files]
    return "".join(path.read_text("utf-8") for path in paths if path.is_file())


def meta_inventory(
    name: str, fields: ModelConfig, *, trust_remote_code: bool = False, revision: str | None = None
) -> Inventory:
    """Every parameter of the model with this config, unquantized; `name` is its folder or Hub id, where its code lies.

    Shapes are transformers', names those of its state dict, tied weights are counted once, dtypes are torch's
    names. A quantization block is not applied. Code of the repository runs only with `trust_remote_code`.
    Raises VramError where the extra is missing, RemoteCodeError, ArchitectureError, CheckpointError.
    """
    needs_code = _needs_code(fields)
    if needs_code and not trust_remote_code:
        raise RemoteCodeError(model=name, problem="is built by code of its own repository")
    torch, accelerate, transformers = _libraries()
    verbosity = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()  # its warnings are about running the model
    try:
        with accelerate.init_empty_weights():
            built = _build(torch, transformers, name, fields, trust=needs_code, revision=revision)
        built.tie_weights()  # outside: accelerate would make two meta tensors of one
        parameters = list(built.named_parameters())
    except VramError:
        raise
    except Exception as error:  # noqa: BLE001  # transformers and a repository's code may raise anything
        text = f"{type(error).__name__}: {str(error).strip()[:200]}"
        raise CheckpointError(path=name, problem=f"transformers cannot build the model ({text})") from None
    finally:
        transformers.logging.set_verbosity(verbosity)
    tensors = tuple(
        HeaderTensor(
            name=key,
            dtype=str(value.dtype).removeprefix("torch."),
            shape=tuple(value.shape),
            nbytes=value.numel() * value.element_size(),
        )
        for key, value in parameters
    )
    return Inventory(tensors=tensors, total_bytes=sum(tensor.nbytes for tensor in tensors), files=0)


def _libraries() -> tuple[Any, Any, Any]:
    """torch, accelerate and transformers, imported here and nowhere else. Raises VramError."""
    try:
        import accelerate
        import torch
        import transformers
    except ImportError as error:
        missing = error.name or "transformers"
        install = "install it with: pip install 'vram-estimator[graph]'"
        raise VramError(problem=f"Building a model on the meta device needs {missing}; {install}") from None
    return torch, accelerate, transformers


def _needs_code(fields: ModelConfig) -> bool:
    """Whether the config points to code (`auto_map`) and transformers does not know the model itself."""
    auto_map = fields.sub("auto_map")
    if auto_map is None:
        return False
    return f'("{fields.string("model_type")}", "' not in _table(_TYPES)


def _build(torch: Any, transformers: Any, name: str, fields: ModelConfig, *, trust: bool, revision: str | None) -> Any:
    """The model, in its checkpoint's dtype, of the class its `architectures` names. Raises ArchitectureError."""
    if trust:
        config = transformers.AutoConfig.from_pretrained(name, trust_remote_code=True, revision=revision)
    else:
        raw = {key: value for key, value in fields.raw.items() if key not in ("quantization_config", "auto_map")}
        config = transformers.AutoConfig.for_model(**raw)
    dtype = getattr(torch, fields.string("dtype", "torch_dtype", default="bfloat16").removeprefix("torch."), None)
    architecture = getattr(transformers, fields.architecture, None)
    if trust:
        return transformers.AutoModelForCausalLM.from_config(config, dtype=dtype, trust_remote_code=True)
    if not (isinstance(architecture, type) and hasattr(architecture, "_from_config")):
        raise ArchitectureError(architecture=fields.architecture, problem="is no model of transformers either")
    return architecture._from_config(config, dtype=dtype)
