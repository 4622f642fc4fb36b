"""A plugin that stumbles over a strange config: one sentence with its name, as when it cannot be loaded."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

from vram.errors import PluginError, VramError

#: what a plugin's code may end with without ending the program: any error, and an exit of its own
STUMBLES = (Exception, SystemExit, GeneratorExit)


def unheard() -> redirect_stdout[Any]:
    """What a plugin prints while it is loaded goes to standard error: standard output is the answer's, which may be JSON."""
    return redirect_stdout(sys.stderr)


def words_of(error: BaseException) -> str:
    """Class and text of what a plugin ended with, on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:400]


@contextmanager
def blamed_on(plugin: str, what: str = "this config") -> Iterator[None]:
    """Turn what a plugin did not expect into a PluginError, with the cause behind it for whoever mends the plugin.

    `plugin` is what is asked ("architecture adapter 'X'"), `what` it was given. A VramError is an answer and goes through.
    """
    try:
        yield
    except VramError:
        raise
    except STUMBLES as error:
        problem = f"{plugin} cannot make sense of {what} ({words_of(error)})"
        raise PluginError(problem=problem) from error
