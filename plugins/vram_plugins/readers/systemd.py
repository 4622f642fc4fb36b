"""systemd's units and Podman's quadlets: ExecStart with variables put in (systemd.service(5), systemd.exec(5), podman-systemd.unit(5))."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram.models.record import evolve
from vram_plugins.readers.compose import variables
from vram_plugins.readers.launch import Process, servers, shown_program
from vram_plugins.readers.shell_servers import command_servers, script_servers
from vram_plugins.readers.splitting import split_words

_SECTION = re.compile(r"^\[(Service|Container)\][^\S\n]*$", re.MULTILINE)
_KEY = re.compile(r"\s*([A-Za-z]+)\s*=\s*(.*)", re.DOTALL)
_VARIABLE = re.compile(r"\$\$|\$\{(\w+)\}|\$(\w+)")
#: what says that a unit may start a server of vLLM
_VLLM = re.compile(
    r"\bvllm\b(?![-_ ]*(?:router|gateway|exporter|proxy|watchdog|monitor|client|healthcheck))", re.IGNORECASE
)
_LONGEST = 1 << 15


class Systemd(DeploymentReader):
    """One server a unit."""

    name = "systemd"
    rank = 1

    def claims(self, text: DeploymentText) -> bool:
        if re.match(r"(?:[^\S\n]*(?:[#;][^\n]*)?\n)*[^\S\n]*\[", text.text[:4000]) is None:
            return False  # units begin with a section
        return (
            _SECTION.search(text.text) is not None and re.search(r"^Exec|^Image=", text.text, re.MULTILINE) is not None
        )

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        settings = list(_settings(text.text))
        environment: dict[str, str] = {}
        for _, key, value, _line in settings:
            if key == "EnvironmentFile":
                environment |= variables(_beside(text, value.lstrip("-")))
        for _, key, value, _line in settings:
            if key == "Environment":
                environment |= dict(w.split("=", 1) for w in _words(value) if "=" in w)
        if any(section == "Container" for section, *_ in settings):
            return list(_container(text, settings, environment))
        return list(_service(text, settings, environment))


def _beside(text: DeploymentText, name: str) -> str | None:
    """A file of variables: by its path, or of its name beside the unit."""
    for path in (name.lstrip("/"), name.rsplit("/", 1)[-1]):
        content = text.beside(path)
        if content is not None:
            return content
    return None


def _settings(text: str) -> Iterator[tuple[str, str, str, int]]:
    """Section, key, value and line of each setting; comments between continued lines are no part of them."""
    section = ""
    lines = text.splitlines()
    index = 0
    while index < len(lines):
        start = index
        pieces: list[str] = []
        while index < len(lines):
            line = lines[index]
            index += 1
            if line.lstrip().startswith(("#", ";")):
                if not pieces:
                    break
                continue
            if line.endswith("\\"):
                pieces.append(line[:-1])
                continue
            pieces.append(line)
            break
        whole = " ".join(pieces)
        if match := re.fullmatch(r"\s*\[(\w+)\]\s*", whole):
            section = match[1]
        elif match := _KEY.fullmatch(whole):
            yield section, match[1], match[2].strip(), start + 1


def _words(value: str) -> list[str]:
    return split_words(value) if len(value) <= _LONGEST else []


def _put(words: list[str], environment: Mapping[str, str]) -> list[str]:
    """Variables in words: `$NAME` alone may become several, `${NAME}` one; a specifier of the instance is nobody's value."""
    found: list[str] = []
    for word in words:
        if (match := re.fullmatch(r"\$(\w+)", word)) and match[1] in environment:
            found += environment[match[1]].split()
            continue

        def value(match: re.Match[str]) -> str:
            return "$" if match[0] == "$$" else environment.get(match[1] or match[2], f"${{{match[1] or match[2]}}}")

        whole = _VARIABLE.sub(value, word)
        whole = re.sub(r"%([iIjJ])", r"${%\1}", whole.replace("%%", "\0")).replace("\0", "%")
        found.append(whole)
    return found


def _for_shell(words: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """The words of a shell: systemd puts `${NAME}` in, whatever quotes are around it, and the shell the rest."""
    return [re.sub(r"(?<!\$)\$\{(\w+)\}", lambda m: environment.get(m[1], m[0]), word) for word in words]


def _service(
    text: DeploymentText, settings: list[tuple[str, str, str, int]], environment: dict[str, str]
) -> Iterator[FoundServer]:
    name = text.path.rsplit("/", 1)[-1]
    for _, key, value, line in settings:
        if key != "ExecStart" or not value:
            continue
        words = _words(value.lstrip("@-:+!"))
        shell = bool(words) and words[0].rsplit("/", 1)[-1] in {"sh", "bash"}
        put = _for_shell(words, environment) if shell else _put(words, environment)
        found = list(command_servers(text, put, line=line, kind="systemd", environment=environment))
        found = found or list(_script(text, put, line, environment))
        yield from (evolve(server, line=line, name=server.name or name) for server in found)


def _script(
    text: DeploymentText, words: Sequence[str], line: int, environment: Mapping[str, str]
) -> Iterator[FoundServer]:
    """The servers of a script that a unit starts: of that file where it is beside the unit, else that it is not known."""
    script = next((word for word in words[:3] if word.endswith((".sh", ".bash"))), None)
    if script is None:
        return
    content = _beside(text, script)
    if content is not None:
        yield from script_servers(text, content, kind="systemd", variables=environment)
    elif _VLLM.search(" ".join((text.path.rsplit("/", 1)[-1], *words[:3], text.text[:4000]))):
        problem = f"runs {shown_program(script)}, and what that starts is not in this file"
        yield FoundServer(line=line, kind="systemd", status="not_understood", problem=problem)


def _container(
    text: DeploymentText, settings: list[tuple[str, str, str, int]], environment: dict[str, str]
) -> Iterator[FoundServer]:
    """A quadlet: the image, and the words behind it."""
    given = {key: (value, line) for section, key, value, line in settings if section == "Container"}
    if "Image" not in given:
        return
    devices = [value for section, key, value, _ in settings if section == "Container" and key == "AddDevice"]
    named = [device for device in devices if device.startswith("nvidia.com/gpu=")]
    words, line = given.get("Exec", ("", given["Image"][1]))
    process = Process(
        line=line,
        kind="systemd",
        name=text.path.rsplit("/", 1)[-1],
        argv=(*_words(given.get("Entrypoint", ("", 0))[0]), *_put(_words(words), environment)),
        replaces="Entrypoint" in given,
        image=given["Image"][0],
        environment=environment,
        devices=tuple(devices),
        gpus=len(named) if named and "nvidia.com/gpu=all" not in named else None,
    )
    yield from (evolve(server, line=line) for server in servers(text, process))


def reader() -> Systemd:
    """The reader of systemd's units."""
    return Systemd()
