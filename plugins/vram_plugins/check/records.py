"""What `vram check` says of one server."""

from __future__ import annotations

from typing import Any, Literal

from vram.models.estimate import Estimate
from vram.models.record import frozen

#: the problem of a server whose file names no GPU
NO_GPU = "no GPU is stated here; say which one with --gpu"

Status = Literal["starts", "does_not_start", "not_vllm", "not_understood"]


@frozen(kw_only=True, eq=False)
class Finding:
    """One server of a file, or a file that cannot be read (`kind` "file").

    `file` is relative to the working directory where it is inside; `line` counts from 1. `problem` is why it does not pass, as
    the rest of a sentence, and `change` the smallest change with which it does. A server may start and not pass: its workload does
    not fit, or the start is too close to be sure. `gpus` is how many its file gives, None where it does not say.
    """

    file: str
    line: int
    server: str
    kind: str
    model: str | None
    gpu: str | None
    status: Status
    problem: str | None = None
    left_out: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    estimate: Estimate | None = None
    change: str | None = None
    gpus: int | None = None
    read_as: str | None = None

    @property
    def passes(self) -> bool:
        """Starts and fits, or is no vLLM server."""
        return self.status == "not_vllm" or (self.status == "starts" and self.problem is None)

    @property
    def fails(self) -> bool:
        """Is understood, and does not start, may not, or does not fit."""
        return not self.passes and self.status != "not_understood"

    def to_dict(self) -> dict[str, Any]:
        """The JSON contract of one result."""
        return {
            "file": self.file,
            "line": self.line,
            "server": self.server,
            "kind": self.kind,
            "model": self.model,
            "gpu": self.gpu,
            "status": self.status,
            "problem": self.problem,
            "left_out": list(self.left_out),
            "assumed": list(self.assumed),
            "estimate": self.estimate.to_dict() if self.estimate else None,
            "change": self.change,
            "gpus": self.gpus,
            "read_as": self.read_as,
        }


@frozen(kw_only=True, eq=False)
class Checked:
    """Everything that was found. `notes` are sentences about what was not looked into."""

    findings: tuple[Finding, ...]
    files: int
    notes: tuple[str, ...] = ()

    def exit_code(self, *, allow_unknown: bool = False) -> int:
        """0 where all pass, 1 where one is known to fail, else 2 where something was not understood."""
        if any(finding.fails for finding in self.findings):
            return 1
        unknown = any(finding.status == "not_understood" for finding in self.findings)
        return 2 if unknown and not allow_unknown else 0
