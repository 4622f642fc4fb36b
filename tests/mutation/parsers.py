"""Readers of text that strangers wrote, and the tests that hold each: those beside it, and of commands and logs those of the room.

More tests run through them; what these few do not notice counts as unnoticed.
"""

from __future__ import annotations

_COMMANDS = (
    "tests/core/serving/test_command.py", "tests/core/serving/test_arguments.py", "tests/core/serving/test_in_other_words.py",
    "tests/core/serving/test_config_file.py", "tests/core/serving/test_round_trip.py",
)  # fmt: skip
_LOGS = (
    "tests/plugins/logs/test_limits.py", "tests/plugins/logs/test_parse.py", "tests/plugins/logs/test_stages.py",
    "tests/plugins/logs/test_pasted.py",
)  # fmt: skip

PARSERS: dict[str, tuple[str, ...]] = {
    "checkpoint/json_text.py": ("tests/core/checkpoint/test_json_text.py",),
    "checkpoint/safetensors_header.py": (
        "tests/core/checkpoint/test_safetensors_header.py", "tests/core/checkpoint/test_safetensors_limits.py",
    ),
    "checkpoint/shard_index.py": ("tests/core/checkpoint/test_shard_index.py",),
    "checkpoint/mistral_params.py": ("tests/core/checkpoint/test_mistral_params.py",),
    "checkpoint/yaml_text.py": ("tests/core/checkpoint/test_yaml_text.py",),
    "models/argument_values.py": ("tests/core/models/test_argument_values.py",),
    "serving/arguments.py": _COMMANDS,
    "serving/flags.py": ("tests/core/serving/test_flags.py", *_COMMANDS),
    "serving/command.py": (*_COMMANDS, "tests/core/vllm/test_builds.py"),
    "serving/config_file.py": _COMMANDS,
    "serving/numbers.py": ("tests/core/serving/test_numbers.py",),
    "serving/one.py": ("tests/core/serving/test_one.py", "tests/core/serving/test_reading.py"),
    "serving/reading.py": ("tests/core/serving/test_readers.py", "tests/core/serving/test_reading.py"),
    "serving/surroundings.py": ("tests/core/serving/test_surroundings.py",),
    "serving/words.py": ("tests/core/serving/test_words.py", "tests/core/serving/test_round_trip.py"),
    "vram_plugins/check/ignoring.py": ("tests/plugins/check/test_ignoring.py",),
    "vram_plugins/compare/prices.py": ("tests/plugins/compare/test_prices.py",),
    "vram_plugins/gguf/header.py": ("tests/plugins/gguf",),
    "vram_plugins/logs/arguments.py": ("tests/plugins/logs/test_arguments.py", "tests/plugins/logs/test_parse.py"),
    "vram_plugins/logs/parse.py": _LOGS,
    "vram_plugins/logs/pasted.py": _LOGS,
    "vram_plugins/logs/reading.py": ("tests/plugins/logs/test_reading.py", "tests/plugins/logs/test_parse.py"),
    "vram_plugins/logs/surroundings.py": ("tests/plugins/logs/test_surroundings.py", "tests/plugins/logs/test_pasted.py"),
    "vram_plugins/logs/unwrap.py": ("tests/plugins/logs/test_unwrap.py", "tests/plugins/logs/test_pasted.py"),
}  # fmt: skip


def tests_of(modules: list[str]) -> tuple[str, ...]:
    """The tests of these modules, each once."""
    return tuple(dict.fromkeys(test for module in modules for test in PARSERS[module]))
