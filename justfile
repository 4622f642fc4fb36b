# All a contributor must know: just test | lint | types | packaging | bench

test:
    .venv/bin/pytest

lint:
    .venv/bin/ruff format --check .
    .venv/bin/ruff check .
    .venv/bin/lint-imports

types:
    .venv/bin/mypy

packaging:
    .venv/bin/pytest -m slow tests/packaging

ci:
    bash .ci/run
