"""What the command does with outputs that lack characters or take no more, and with an interrupt before it has begun."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.command import COMMAND, vram

ANSWERED = ("estimate", "Qwen/Qwen3-8B", "--gpu", "H100")
REFUSED = ("estimate", "meta-llama/Llama-3.3-70B-Instruct", "--gpu", "L4", "--explain")
#: commands that print a line, a table, a document, a help, and one whose exit code says that it does not fit
PRINTING = (
    ANSWERED,
    (*ANSWERED, "--json"),
    ("models",),
    ("plugins",),
    ("plan", *ANSWERED[1:]),
    ("--help",),
    (*REFUSED, "--check"),
)


@pytest.mark.parametrize(
    "environment", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
)
@pytest.mark.parametrize("words", [ANSWERED, REFUSED, ("plan", *ANSWERED[1:]), ("compare", "Qwen/Qwen3-8B")])
def test_an_output_of_ascii_gets_plain_characters(words: tuple[str, ...], environment: dict[str, str]) -> None:
    done = subprocess.run([*COMMAND, *words], capture_output=True, check=False, env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr
    shown, plain = done.stdout.decode("ascii"), vram(*words, PYTHONIOENCODING="utf-8").stdout
    assert not set("×…─") & set(shown)
    assert shown.count("?") == plain.count("?")  # every character that is written has a plain one


def test_latin_1_keeps_what_it_has() -> None:
    done = subprocess.run(
        [*COMMAND, *REFUSED], capture_output=True, check=False, env={**os.environ, "PYTHONIOENCODING": "latin-1"}
    )
    assert done.returncode == 0
    assert "×" in done.stdout.decode("latin-1")
    assert "..." in done.stdout.decode("latin-1")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no device that is always full")
@pytest.mark.parametrize("words", PRINTING)
def test_a_full_disk_is_one_sentence_and_bad_input(words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*COMMAND, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("Error: the output could not be written to its end")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", PRINTING)
def test_a_closed_pipe_is_one_sentence_and_never_does_not_fit(words: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*COMMAND, *words], stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("Error: the output could not be written to its end")
    assert "Traceback" not in done.stderr


def test_an_interrupt_while_it_is_imported_leaves_no_traceback() -> None:
    program = (
        "import signal, sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'click':\n"
        "            signal.raise_signal(signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "from vram.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGINT
    assert done.stderr == ""
