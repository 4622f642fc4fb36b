"""A child that behaves, and children that do not: one clear sentence each, and nothing left of them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vram.errors import InputError
from vram_plugins.ask_vllm.conversation import Limits, converse
from vram_plugins.ask_vllm.errors import AskError

GIB = 2**30


def talk(
    python: str, folder: Path, *, seconds: float = 20, memory: int = 8 * GIB
) -> tuple[dict[str, Any], dict[str, Any]]:
    limits = Limits(seconds=seconds, memory_bytes=memory)
    return converse(
        python, {"model": str(folder)}, reply=lambda built: {"available_bytes": [built["n"]]}, limits=limits
    )


def refusal(python: str, folder: Path, **limits: Any) -> str:
    with pytest.raises(AskError) as caught:
        talk(python, folder, **limits)
    return str(caught.value)


def test_the_reply_to_what_was_built_reaches_the_child(fake_python: Callable[..., str], tmp_path: Path) -> None:
    python = fake_python("tell({'built': {'n': 7}})\ntell({'planned': {'got': json.loads(sys.stdin.readline())}})")
    assert talk(python, tmp_path) == ({"n": 7}, {"got": {"available_bytes": [7]}})


def test_what_vllm_prints_is_no_answer(fake_python: Callable[..., str], tmp_path: Path) -> None:
    noise = "for _ in range(20000): print('INFO ' * 40)\nsys.stdout.flush()\n"
    python = fake_python(noise + "tell({'built': {'n': 1}})\n" + noise + "tell({'planned': {}})")
    assert talk(python, tmp_path)[0] == {"n": 1}


def test_a_crash_quotes_the_last_line(fake_python: Callable[..., str], tmp_path: Path) -> None:
    python = fake_python("print('loading', file=sys.stderr)\nsys.exit('libtorch.so: version GLIBC_9 not found')")
    said = refusal(python, tmp_path)
    assert "ended without an answer" in said
    assert "libtorch.so: version GLIBC_9 not found" in said
    assert "\n" not in said


def test_a_signal_is_named(fake_python: Callable[..., str], tmp_path: Path) -> None:
    assert "SIGSEGV" in refusal(fake_python("os.kill(os.getpid(), 11)"), tmp_path)


def test_a_crash_between_the_answers_is_told(fake_python: Callable[..., str], tmp_path: Path) -> None:
    python = fake_python("tell({'built': {'n': 1}})\nsys.exit('out of luck')")
    assert "out of luck" in refusal(python, tmp_path)


def test_hanging_ends_in_time_with_all_its_children(fake_python: Callable[..., str], tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    python = fake_python(f"pid = os.fork()\nopen({str(pids)!r}, 'a').write(f'{{os.getpid()}} ')\ntime.sleep(600)")
    began = time.monotonic()
    assert "did not answer within 2 s" in refusal(python, tmp_path, seconds=2)
    assert time.monotonic() - began < 15
    time.sleep(0.3)
    for pid in pids.read_text().split():
        assert not _runs(int(pid))


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def test_an_error_of_vllm_is_quoted_without_the_folder_nobody_knows(
    fake_python: Callable[..., str], tmp_path: Path
) -> None:
    python = fake_python("tell({'error': 'ValueError: ' + request['model'] + ' has no such field', 'stage': 'config'})")
    assert "'ValueError: MODEL has no such field'" in refusal(python, tmp_path)


def test_tokens_and_the_home_folder_are_not_repeated(fake_python: Callable[..., str], tmp_path: Path) -> None:
    home = os.path.expanduser("~")
    python = fake_python(f"sys.exit('{home}/models: HF_TOKEN=hf_abcdefghijklmnop1234 was refused')")
    said = refusal(python, tmp_path)
    assert "hf_abc" not in said
    assert f"{home}/models" not in said


def test_the_child_gets_no_token(
    fake_python: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("VLLM_ATTENTION_BACKEND", "TRITON_ATTN")
    does = "tell({'built': {'n': 1, 'env': dict(os.environ)}})\ntell({'planned': {}})"
    environment = talk(fake_python(does), tmp_path)[0]["env"]
    assert "HF_TOKEN" not in environment
    assert environment["VLLM_ATTENTION_BACKEND"] == "TRITON_ATTN"


@pytest.mark.parametrize(
    "garbage", ["answers.write('no JSON\\n')", "tell([1])", "tell({'other': 1})", "tell({'built': 3})"]
)
def test_garbage_is_told_as_such(garbage: str, fake_python: Callable[..., str], tmp_path: Path) -> None:
    said = refusal(fake_python(garbage + "\nanswers.flush()"), tmp_path)
    assert "cannot be read" in said or "another answer" in said


def test_an_answer_without_end_is_cut_off(
    fake_python: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vram_plugins.ask_vllm.conversation._MOST_ANSWER", 2**20)
    assert "has no end" in refusal(fake_python("while True: answers.write('x' * 65536)"), tmp_path)


def test_too_much_memory_is_noticed(fake_python: Callable[..., str], tmp_path: Path) -> None:
    python = fake_python("held = bytearray(400 * 2**20)\nheld[::4096] = bytes(len(held[::4096]))\ntime.sleep(600)")
    said = refusal(python, tmp_path, memory=200 * 2**20)
    assert "more than 0.195312 GiB" in said
    assert "VRAM_ASK_VLLM_MEMORY_GIB" in said


def test_reserved_address_space_is_no_memory(fake_python: Callable[..., str], tmp_path: Path) -> None:
    does = "import mmap\nheld = mmap.mmap(-1, 4 * 2**30)\ntime.sleep(0.5)\ntell({'built': {'n': 1}})\ntell({'planned': {}})"
    assert talk(fake_python(does), tmp_path, memory=300 * 2**20)[0] == {"n": 1}


def test_what_cannot_be_run_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/nowhere/python\n")
    broken.chmod(0o755)
    assert "cannot be run" in refusal(str(broken), tmp_path)


@pytest.mark.parametrize("value", ["soon", "-1", "0", "nan"])
def test_limits_must_be_positive_numbers(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VRAM_ASK_VLLM_TIMEOUT", value)
    with pytest.raises(InputError, match="VRAM_ASK_VLLM_TIMEOUT"):
        Limits.from_environment()


def test_limits_are_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VRAM_ASK_VLLM_TIMEOUT", "30")
    monkeypatch.setenv("VRAM_ASK_VLLM_MEMORY_GIB", "1.5")
    assert Limits.from_environment() == Limits(seconds=30, memory_bytes=3 * GIB // 2)
