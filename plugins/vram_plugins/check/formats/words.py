"""How a finding is told, in every format alike."""

from __future__ import annotations

from collections import Counter
from urllib.parse import quote

from vram.serving import printable
from vram_plugins.check.records import Checked, Finding

#: the rule of each way not to pass, with what it means
RULES = {
    "does-not-start": ("DoesNotStart", "vLLM would refuse to start this server, or run out of memory while it starts."),
    "may-not-start": ("MayNotStart", "The start is too close to be sure: within the interval of the prediction it succeeds or fails."),
    "does-not-fit": ("DoesNotFit", "vLLM starts, and the workload that was asked for does not fit with the headroom kept."),
    "not-understood": ("NotUnderstood", "Something that may be a vLLM server could not be understood, or lacks a GPU or a model."),
}  # fmt: skip


_SEVERAL = {
    "does not start": "do not start", "does not fit": "do not fit", "starts and fits": "start and fit", "starts, perhaps": "start, perhaps"
}  # fmt: skip
#: the worst first
_ORDER = (
    "does not start",
    "may not start",
    "does not fit",
    "not understood",
    "starts, perhaps",
    "starts and fits",
    "not vLLM",
)


def rule_of(finding: Finding) -> str | None:
    """Which of `RULES` it is; None where it passes."""
    if finding.passes:
        return None
    if finding.status == "not_understood":
        return "not-understood"
    if _is_close(finding):
        return "may-not-start"
    return "does-not-fit" if finding.status == "starts" else "does-not-start"


def verdict(finding: Finding) -> str:
    """In two or three words."""
    rule = rule_of(finding)
    if rule is not None:
        return rule.replace("-", " ")
    if finding.status == "not_vllm":
        return "not vLLM"
    return "starts, perhaps" if _is_close(finding) else "starts and fits"


def _is_close(finding: Finding) -> bool:
    """Whether the start is too close to be sure."""
    return finding.estimate is not None and finding.estimate.verdict.certainty == "borderline"


def subject(finding: Finding) -> str:
    """The server by its name, or what it is."""
    return printable(finding.server or ("" if finding.kind == "file" else finding.kind))


def deployed(finding: Finding) -> str:
    """The model, the GPUs and the version, as far as they are known."""
    facts = finding.estimate.deployment if finding.estimate else None
    ranks = (
        facts.tensor_parallel_size * facts.pipeline_parallel_size * facts.data_parallel_size if facts else finding.gpus
    )
    gpu = f"{f'{ranks} × ' if ranks and ranks > 1 else ''}{finding.gpu}" if finding.gpu else ""
    on = " on ".join(part for part in (finding.model or "", gpu) if part)
    return printable(f"{on}, vLLM {facts.vllm_version}" if facts else on)


def sentence(finding: Finding) -> str:
    """Everything about a finding that does not pass, in one line."""
    about = ": ".join(part for part in (subject(finding), deployed(finding)) if part)
    judged = f"is {verdict(finding)}" if about and verdict(finding).startswith("not ") else verdict(finding)
    parts = [f"{about} {judged}".strip() + (f": {finding.problem}" if finding.problem else "")]
    parts += [f"Change: {finding.change}"] if finding.change else []
    return printable(". ".join(parts) + ".")


def summary(checked: Checked) -> str:
    """The last line: how many of each kind."""
    found = checked.findings
    files = f"{checked.files:,} file{'s' * (checked.files != 1)}"
    if not found:
        return f"No vLLM server in {files}."
    counts = Counter(verdict(finding) for finding in found)
    kinds = ", ".join(
        f"{counts[name]:,} {_SEVERAL.get(name, name) if counts[name] > 1 else name}" for name in _ORDER if counts[name]
    )
    servers = sum(finding.kind != "file" for finding in found)
    return f"{servers:,} server{'s' * (servers != 1)} in {len({one.file for one in found}):,} of {files}: {kinds}."


def uri_of(file: str) -> str:
    """A path as a URI reference, relative where the path is."""
    return quote(file.encode(errors="surrogateescape"), safe="/@!$&'()*+,;=~")
