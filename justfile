# All a contributor must know: just test | lint | types | packaging | bench

test:
    .venv/bin/pytest

lint:
    .venv/bin/ruff format --check .
    .venv/bin/ruff check .
    .venv/bin/lint-imports

types:
    .venv/bin/mypy

docs:
    .venv/bin/mkdocs build --strict -f .mkdocs.yml

packaging:
    .venv/bin/pytest -m slow tests/packaging

ci:
    bash .ci/run
