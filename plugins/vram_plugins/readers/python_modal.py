"""What Modal gives a function around a server: its GPU, and the variables of its image (Modal's guide); what BentoML gives a service."""

from __future__ import annotations

import ast
from typing import Any

from vram.models.record import evolve
from vram_plugins.readers.gpu_names import gpu_named, uncertain
from vram_plugins.readers.python_engine import Room
from vram_plugins.readers.python_held import Called, Names, dotted, text_of
from vram_plugins.readers.python_values import value_of


def modal_gpu(held: Any) -> tuple[str | None, int | None, tuple[str, ...]]:
    """The GPU and number of `gpu="H100:2"`, of the first of a list, or of `modal.gpu.H100(count=2)` (Modal's guide, GPU acceleration)."""
    if isinstance(held, list) and held:
        gpu, gpus, _ = modal_gpu(held[0])
        return gpu, gpus, ("the first of the GPUs that it may get",) if len(held) > 1 else ()
    if isinstance(held, str) and "$" not in held:
        name, _, count = held.partition(":")
        number = int(count) if count.isascii() and count.isdecimal() and len(count) < 4 else 1 if not count else None
        name = name.rstrip("!")
        gpu = gpu_named(name) if name.lower() != "any" else None
        return gpu, number, uncertain(name, gpu)
    if isinstance(held, Called) and ".gpu." in f".{held.name}":
        size, count = held.named.get("size") or held.named.get("memory"), held.named.get("count", 1)
        name = held.name.rsplit(".", 1)[-1] + (f"-{str(size).removesuffix('GB')}GB" if size else "")
        return gpu_named(name.replace("_", "-")), count if isinstance(count, int) else None, ()
    return None, None, ()


def image_environment(held: Any) -> dict[str, str]:
    """The variables that an image of Modal sets with `.env({...})`."""
    found: dict[str, str] = {}
    for _ in range(40):
        if not isinstance(held, Called):
            break
        if held.name.rsplit(".", 1)[-1] == "env" and held.values and isinstance(held.values[0], dict):
            found = {k: text_of(v) for k, v in held.values[0].items() if isinstance(v, str | int)} | found
        held = held.of
    return found


def bento_gpu(held: Any) -> tuple[str | None, int | None, tuple[str, ...]]:
    """The GPU and number of `resources={"gpu": 1, "gpu_type": "nvidia-l4"}` (BentoML's guide, configurations)."""
    held = held if isinstance(held, dict) else {}
    name, count = held.get("gpu_type"), text_of(held.get("gpu"))
    number = int(count) if count.isascii() and count.isdecimal() and len(count) < 4 else None
    gpu = gpu_named(name) if isinstance(name, str) else None
    return gpu, number, uncertain(name, gpu) if isinstance(name, str) else ()


def decorated(
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, names: Names, room: Room, *, modal: str | None
) -> Room:
    """The room inside a function or class: what a decorator of BentoML says, or one of Modal where the file has that (its kind)."""
    room = evolve(room, name=node.name if not room.name or isinstance(node, ast.ClassDef) else room.name)
    for decorator in node.decorator_list:
        if not isinstance(decorator, ast.Call) or not dotted(decorator.func).endswith(
            (".function", ".cls", ".server", ".service")
        ):
            continue
        held = value_of(decorator, names)
        if isinstance(held, Called) and held.name == "bentoml.service" and "resources" in held.named:
            gpu, gpus, assumed = bento_gpu(held.named["resources"])
            room = evolve(room, gpu=gpu, gpus=gpus, assumed=assumed)
        if isinstance(held, Called) and modal is not None and {"gpu", "image"} & set(held.named):
            gpu, gpus, assumed = modal_gpu(held.named.get("gpu"))
            environment = {**room.environment, **image_environment(held.named.get("image"))}
            room = evolve(room, kind=modal, gpu=gpu, gpus=gpus, environment=environment, assumed=assumed)
    return room
