"""The wheel's own tests on the Python that runs this, in an environment of its own: what needs no torch, no browser, no linter.

`python3.13 .ci/with_python.py`; further words go to pytest.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: what of the tests a release of Python can change: the command, records, plugins, parsers, arithmetic
TESTS = ("tests/cli", "tests/core/models", "tests/core/plugin", "tests/core/serving", "tests/core/checkpoint", "tests/core/estimate",
         "tests/plugins/logs", "tests/plugins/readers", "tests/plugins/compare", "tests/fuzz")  # fmt: skip


def main() -> None:
    """Install, test; the exit code is pytest's."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder, "Scripts" if os.name == "nt" else "bin", "python"))
        subprocess.run(
            [python, "-m", "pip", "install", "-q", str(ROOT), "pytest>=8", "hypothesis>=6.100", "jsonschema>=4.20"],
            check=True,
        )
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "VRAM_FUZZ_EXAMPLES": "20"}
        tests = sys.argv[1:] or TESTS
        done = subprocess.run(
            [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests], cwd=ROOT, env=environment, check=False
        )
    raise SystemExit(done.returncode)


if __name__ == "__main__":
    main()
