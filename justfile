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

bench:
    .venv/bin/python -m tests.benchmarks

fuzz target="config" seconds="600":
    .venv/bin/python -m tests.fuzz.run {{target}} --seconds {{seconds}}

mutate:
    .venv/bin/python -m tests.mutation.run

packaging:
    .venv/bin/pytest -m slow tests/packaging

ci:
    bash .ci/run
