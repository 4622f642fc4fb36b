"""Workflows of GitHub and pipelines of GitLab: the servers that their steps start (their references: jobs.<id>.steps[*].run, script)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram.models.record import evolve
from vram_plugins.readers.documents import Block, Items, Text, documents
from vram_plugins.readers.launch import Process, servers
from vram_plugins.readers.shell_servers import script_servers
from vram_plugins.readers.shell_values import unknown

_EXPRESSION = re.compile(r"\$\{\{\s*([^{}]*?)\s*\}\}")
_NEEDLE = re.compile(r"vllm|sglang|text-generation|tritonserver|ollama|lmdeploy")
_JOBS = re.compile(r"^jobs:", re.MULTILINE)
_SCRIPTS = ("before_script", "script", "after_script", "commands", "command", "run")
_MAX_CASES = 16


class Workflow(DeploymentReader):
    """One server for each command that starts one."""

    name = "workflow"
    rank = 1

    def claims(self, text: DeploymentText) -> bool:
        if not text.path.endswith((".yml", ".yaml")) or not _NEEDLE.search(text.text):
            return False
        if (
            "/workflows/" in f"/{text.path}"
            or "gitlab-ci" in text.path
            or text.path.endswith(("action.yml", "action.yaml"))
        ):
            return True
        github = _JOBS.search(text.text) is not None and re.search(
            r"^[^\S\n]+(?:steps|runs-on):", text.text, re.MULTILINE
        )
        gitlab = re.search(r"^  (?:before_)?script:", text.text, re.MULTILINE) and not text.text.startswith(
            "apiVersion"
        )
        return bool(github or gitlab)

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        found = [server for document in documents(text.path, text.text) for server in _servers(text, document)]
        return sorted(found, key=lambda server: server.line)


def _servers(text: DeploymentText, document: Block) -> Iterator[FoundServer]:
    outside = {**_variables(document.get("env")), **_variables(document.get("variables"))}
    inputs = {}
    for event in document.block("on").values():
        for name, given in event.block("inputs").items() if isinstance(event, Block) else ():
            if isinstance(given, Block) and given.text("default") is not None:
                inputs[f"inputs.{name}"] = str(given.text("default"))
                inputs[f"github.event.inputs.{name}"] = str(given.text("default"))
    jobs = document.get("jobs")
    if isinstance(jobs, Block):
        for name, job in jobs.items():
            if isinstance(job, Block):
                yield from _job(text, name, job, outside, inputs)
        return
    if isinstance(document.get("runs"), Block):
        given = {
            f"inputs.{n}": str(b.text("default"))
            for n, b in document.block("inputs").items()
            if isinstance(b, Block) and b.text("default")
        }
        yield from _job(text, document.text("name") or "", document.block("runs"), outside, given)
        return
    for name, job in document.items():
        if isinstance(job, Block) and set(_SCRIPTS[:4]) & set(job):
            yield from _gitlab(text, name, job, outside)


#: a step that is switched off
_NEVER = {"false", "${{ false }}"}


def _job(
    text: DeploymentText, name: str, job: Block, outside: Mapping[str, str], known: Mapping[str, str]
) -> Iterator[FoundServer]:
    """The steps of a job, for each case of its matrix."""
    cases = _cases(job.block("strategy", "matrix"), str(_texts(job)))
    for case in cases:
        values = {**known, **case}
        environment = {**outside, **_variables(job.get("env"))}
        for step in job.blocks("steps"):
            run = step.get("run")
            if (
                step.text("if") in _NEVER
                or not isinstance(run, Text)
                or not (step.text("shell") or "bash").startswith(("bash", "sh", "python"))
            ):
                continue
            given = {
                key: _put(value, {**values, **_named("env", environment)})
                for key, value in {**environment, **_variables(step.get("env"))}.items()
            }
            script = _put(run, {**values, **_named("env", given)})
            if (step.text("shell") or "").startswith("python"):
                yield from text.within("step.py", script, run.line)
                continue
            set_values = {
                key: unknown(value) if value.startswith("$(") else value
                for key, value in given.items()
                if not value.startswith("${")
            }
            image = _image(job, "container", "image")
            for server in script_servers(text, script, kind="workflow", variables=set_values):
                held = server.image or (_put(image, values) if image else None)
                told = {key: value for key, value in server.environment.items() if not value.startswith("$(")}
                place = server.line + run.line - 1
                yield evolve(server, line=place, name=server.name or name, image=held, environment=told)


def _texts(job: Block) -> list[Text]:
    return [value for step in job.blocks("steps") for value in step.values() if isinstance(value, Text)] + [
        value for step in job.blocks("steps") for value in step.block("env").values() if isinstance(value, Text)
    ]


def _cases(matrix: Block, text: str) -> list[dict[str, str]]:
    """The values of a matrix that the steps name, in every combination, and those that it includes."""
    lists = {
        key: value.texts()
        for key, value in matrix.items()
        if isinstance(value, Items) and value.texts() and f"matrix.{key}" in text
    }
    whole = [
        dict(zip(lists, values, strict=True))
        for values in itertools.islice(itertools.product(*lists.values()), _MAX_CASES)
    ]
    included = [{k: str(v) for k, v in item.items() if isinstance(v, Text)} for item in matrix.blocks("include")]
    cases = (whole if lists else []) + included[:_MAX_CASES]
    return [{f"matrix.{key}": str(value) for key, value in case.items()} for case in cases] or [{}]


def _named(prefix: str, values: Mapping[str, str]) -> dict[str, str]:
    return {f"{prefix}.{key}": value for key, value in values.items()}


def _variables(value: Any) -> dict[str, str]:
    if not isinstance(value, Block):
        return {}
    found = {}
    for key, one in value.items():
        held = one.get("value") if isinstance(one, Block) else one
        if isinstance(held, Text):
            found[key] = str(held)
    return found


def _put(text: str, known: Mapping[str, str]) -> str:
    """A text with what expressions are known to give; the others look like unset variables."""

    def value(match: re.Match[str]) -> str:
        for name in match[1].split("||"):
            held = known.get(name.strip())
            if held:
                return held
            if literal := re.fullmatch(r"'([^']*)'", name.strip()):
                return literal[1]
        name = re.sub(r"[^0-9A-Za-z_]+", "_", match[1]).strip("_")[:60]
        # an input that is not given is empty; what a secret or a step gives is not
        return f"${{{name}}}" if re.search(r"\binputs\.", match[1]) else f"$({name})"

    return _EXPRESSION.sub(value, text)


def _gitlab(text: DeploymentText, name: str, job: Block, outside: Mapping[str, str]) -> Iterator[FoundServer]:
    environment = {**outside, **_variables(job.get("variables"))}
    lines: list[str] = []
    first = 0
    for key in _SCRIPTS[:4]:
        held = job.get(key)
        for item in held.texts() if isinstance(held, Items) else [held] if isinstance(held, Text) else []:
            line = getattr(item, "line", 0)
            first = first or line
            lines += [""] * (line - first - len(lines))
            lines += str(item).split("\n")
    for server in script_servers(text, "\n".join(lines), kind="workflow", variables=environment):
        image = server.image or _image(job, "image", "name")
        yield evolve(server, line=server.line + first - 1, name=server.name or name, image=image)
    for service in job.blocks("services"):
        words = service.get("command")
        process = Process(
            line=service.line,
            kind="workflow",
            name=name,
            argv=tuple(words.texts()) if isinstance(words, Items) else (),
            image=service.text("name"),
            environment=environment,
        )
        yield from servers(text, process)


def _image(job: Block, key: str, inner: str) -> str | None:
    """The image in which a job's commands run, whose tag tells vLLM's version."""
    return job.text(key) or job.block(key).text(inner)


def reader() -> Workflow:
    """The reader of workflows."""
    return Workflow()
