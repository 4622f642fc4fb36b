"""One vLLM server of what was pasted: as what it was read, what is wrong with it, and its answer."""

from __future__ import annotations

from collections.abc import Iterator

from vram.errors import VramError
from vram.report import Markup, join, tag
from vram.serving import ReadServer, printable, read_as
from vram_plugins.check.secrets import masked
from vram_plugins.web.answers import shown
from vram_plugins.web.card import card_markup
from vram_plugins.web.chips import chips_of
from vram_plugins.web.keys import canonical, link
from vram_plugins.web.state import SHOWN, changes_of
from vram_plugins.web.words import told


def fields_of(server: ReadServer) -> dict[str, str]:
    """The page's fields for a server that was read; what its command does not say is vLLM's default again."""
    command = server.command
    assert command is not None
    return {
        **dict.fromkeys((*SHOWN, "gpus"), ""),
        "model": command.model,
        "revision": command.revision or "",
        "vllm_version": command.vllm_version or "",
        **({"gpu": command.gpu} if command.gpu else {}),
        **changes_of(command),
    }


def server_markup(server: ReadServer, meant: ReadServer | None, gpu: str, *, part: str, local_paths: bool) -> Markup:
    """What was understood, and the answer; of a command at which vLLM stops the answer to what may be `meant`, else without its
    flags. `gpu` stands where none is named.
    """
    command, problem = server.command, server.problem
    assert command is not None
    head = tag("div", *_understood(server), class_="understood")
    if problem:
        words = _clean(server, problem.removeprefix("stops vLLM: "))
        stopped = tag(
            "h2",
            tag("span", "✗", class_="mark", aria_hidden="true"),
            "does not start: vLLM stops at it",
            class_="verdict",
        )
        head = join((head, tag("section", stopped, tag("p", f"{words}."), class_="card bad")))
    found = {name: value for name, value in fields_of(meant or server).items() if value}
    if not found.get("gpu") and not gpu:
        return join((head, tag("p", "It names no GPU; say which above, and check again.", class_="warn")))
    about = [] if command.gpu else [f"It names no GPU; answered for {gpu}."]
    if meant is not None:
        about.append("Answered with what may be meant:")
    elif command.unknown:
        about.append(f"Answered without {_clean(server, ' '.join(command.unknown))}:")
    state = canonical({"gpu": gpu, **found})
    try:
        answer = shown(state, local_paths=local_paths)
        card = card_markup(answer, chips_of(answer), part=part)
    except VramError as error:
        return join((head, tag("section", tag("p", told(error).sentence), class_="card bad")))
    opened = tag("p", tag("a", "Open it as a question", href=link(state), class_="use"))
    return join((head, tag("p", " ".join(about), class_="about") if about else "", card, opened))


def _understood(server: ReadServer) -> Iterator[Markup]:
    """As what it was read, and what its surroundings do not say or could not be read."""
    command = server.command
    assert command is not None
    yield tag("p", tag("b", "Read as "), tag("code", _clean(server, read_as(server))), class_="read-as")
    notes = [tag("li", _clean(server, note)) for note in (*command.assumed, *command.left_out)]
    if notes:
        yield tag("ul", *notes, class_="notes")


def _clean(server: ReadServer, text: str) -> str:
    return masked(printable(text), server.found)
