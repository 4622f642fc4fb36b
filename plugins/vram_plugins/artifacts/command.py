"""`--emit command`: serve.sh, a shell script that runs `vllm serve`."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from vram.models.artifact import Artifact, ArtifactRequest, GeneratedFile
from vram_plugins.artifacts.across_nodes import refuse_many_nodes
from vram_plugins.artifacts.container import variables_of
from vram_plugins.artifacts.heading import heading
from vram_plugins.artifacts.yaml_text import comment

_CONTINUED = " \\\n  "


class Command(Artifact):
    """One flag per line, everything quoted. Over several nodes the same script runs on each, told which one it is."""

    name = "command"
    description = "serve.sh: the `vllm serve` command"

    def render(self, request: ArtifactRequest) -> tuple[GeneratedFile, ...]:
        assert request.model is not None
        lines = [shlex.join(("vllm", "serve", request.model)), *(shlex.join(flag) for flag in request.flags)]
        exported = (f"export {name}={shlex.quote(text)}\n" for name, text in variables_of(request).items())
        before = _api_key(request) + "".join(exported)
        if request.nodes > 1:
            refuse_many_nodes(request, "command")
            before += _WHICH_NODE
            lines += [f"--nnodes {request.nodes}", '--node-rank "$NODE_RANK"', '--master-addr "$MASTER_ADDR"', '"$@"']
        elif request.serving.replicas > 1:
            lines.append('"$@"')
        text = (
            "#!/usr/bin/env bash\n"
            + heading(request)
            + comment("A gated model needs HF_TOKEN in the environment.")
            + _several(request)
            + _no_expansion(request)
            + "set -euo pipefail\n"
            + before
            + "exec "
            + _CONTINUED.join(lines)
            + "\n"
        )
        return (GeneratedFile(path="serve.sh", text=text, executable=True),)


_WHICH_NODE = """\
# Run this script on every machine: MASTER_ADDR is the first one's address, NODE_RANK counts from 0.
: "${NODE_RANK:?set it to 0 on the first machine, 1 on the next}" "${MASTER_ADDR:?set it to the first machine}"
set --
if [ "$NODE_RANK" != 0 ]; then set -- --headless; fi
"""


def _several(request: ArtifactRequest) -> str:
    """How to run it more than once, where that is asked for."""
    count, port = request.serving.replicas, request.serving.port
    if count == 1:
        return ""
    second = ",".join(str(request.gpus + gpu) for gpu in range(request.gpus))
    return comment(
        f"Run it {count} times, each on GPUs and a port of its own, and share requests out over them. A second one on the same machine:",
        f"CUDA_VISIBLE_DEVICES={second} ./serve.sh --port {port + 1}",
    )


def _no_expansion(request: ArtifactRequest) -> str:
    """Tells shellcheck (SC2016) that dollar signs and backticks within single quotes are meant as text, where there are any."""
    text = "".join((request.model or "", *request.words, *variables_of(request).values()))
    return "# shellcheck disable=SC2016\n" if {"$", "`"} & set(text) else ""


def _api_key(request: ArtifactRequest) -> str:
    if not request.serving.requires_api_key:
        return ""
    return ': "${VLLM_API_KEY:?set it to the key that clients must send}"\n'


def artifacts() -> Iterable[Artifact]:
    """The artifact, as the package names it first."""
    yield Command()
