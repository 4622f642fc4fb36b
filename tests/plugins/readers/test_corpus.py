"""Deployment files of every kind, made for these tests, beside what a person reads in them (written by hand)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vram.serving.reading import ReadServer, servers_of

CORPUS = Path(__file__).parent / "corpus"
EXPECTED = sorted(CORPUS.rglob("*.expected.json"))


def stated(server: ReadServer) -> dict[str, Any]:
    found = server.found
    return {
        "line": found.line,
        "name": found.name,
        "status": found.status,
        "words": list(found.words),
        "gpu": found.gpu,
        "gpus": found.gpus,
        "nodes": found.nodes,
        "version": server.command.vllm_version if server.command else None,
        "platform": found.platform,
        "environment": sorted(found.environment),
        "problem": found.problem,
        "assumed": "; ".join((server.command or found).assumed),
        "left_out": "; ".join((server.command or found).left_out),
    }


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda path: str(path.relative_to(CORPUS)))
def test_a_file_is_read_as_a_person_reads_it(expected: Path) -> None:
    stem = expected.name.removesuffix(".expected.json")
    file = next(path for path in expected.parent.iterdir() if path != expected and path.stem == stem)
    read = [stated(server) for server in servers_of(file, root=CORPUS)]
    wanted = json.loads(expected.read_text())
    assert [(one["line"], one["name"], one["status"]) for one in read] == [
        (one["line"], one["name"], one["status"]) for one in wanted
    ]
    for got, want in zip(read, wanted, strict=True):
        for key in ("problem", "assumed", "left_out"):  # sentences: the part that matters
            assert want.get(key, "") in (got[key] or ""), (key, got[key])
        exact = want.keys() - {"problem", "assumed", "left_out"}
        assert {key: got[key] for key in exact} == {key: want[key] for key in exact}


@pytest.mark.parametrize("kind", sorted(path.name for path in CORPUS.iterdir() if path.is_dir()))
def test_every_kind_has_three_files_at_least(kind: str) -> None:
    assert len(list((CORPUS / kind).rglob("*.expected.json"))) >= 3
