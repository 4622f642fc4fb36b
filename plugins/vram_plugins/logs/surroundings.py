"""What an environment report and nvidia-smi's table say in a pasted text: vLLM's version, the driver, GPUs and their memory."""

from __future__ import annotations

import re

from attrs import define, field

from vram.models.record import frozen
from vram.units import MIB

#: `collect_env.py`: "vLLM Version : 0.11.0", "vLLM Version: 0.6.3@dc4aae…"; pip: "vllm==0.11.0", "vllm  0.11.0"
_VERSION = re.compile(
    r"vLLM Version[ \t]{0,40}:[ \t]{0,8}v?(?P<reported>\d[\w.+-]{0,60})|(?:^|\s)vllm(?:==|[ \t]{1,40})(?P<installed>0\.\d[\w.+-]{0,60})"
)
_DRIVER = re.compile(
    r"(?:Nvidia driver version|Driver Version)[ \t]{0,40}:[ \t]{0,8}(?P<driver>\d[\d.]{1,30})", re.IGNORECASE
)
_LISTED = re.compile(r"^\s{0,8}GPU \d{1,3}: (?P<gpu>[A-Z][\w .+/-]{1,60}?)[ \t]{0,8}(?:\(UUID|$)")
_NAMED = re.compile(
    r"^\|[ \t]{1,4}\d{1,3}[ \t]{1,4}(?P<gpu>[A-Z][\w .+/-]{2,60}?)[ \t]{1,60}(?:On|Off|N/A|WDDM|TCC|MCDM)[ \t]{0,8}\|"
)
_MEMORY = re.compile(
    r"\|[^|]{0,120}\|[ \t]{0,16}(?P<used>\d{1,8})MiB[ \t]{0,4}/[ \t]{0,16}(?P<total>\d{1,8})MiB[ \t]{0,4}\|"
)
#: what only one platform's vLLM and PyTorch print: the file that logged it, backends, errors. ROCm's also say CUDA here and there.
_PLATFORMS = (
    (
        "rocm",
        re.compile(
            r"\brocm\.py:\d|\bHIP (?:out of memory|error)|\bROCM_[A-Z]|\bAITER\b|\bgfx(?:9|1[0-2])\w{2}\b|_rocm_C\b|rocm\d"
        ),
    ),
    ("cuda", re.compile(r"\bcuda\.py:\d|\bCUDA (?:out of memory|error)|\bNVIDIA \w|FLASHINFER")),
)
#: a line without any of these says nothing here
_TELLING = ("vllm", "driver version", "gpu ", "mib")
_MOST_GPUS = 64


@frozen(kw_only=True)
class SeenGpu:
    """A GPU as the text names it ("NVIDIA GeForce RTX 3090 ...": an old table cuts names), and nvidia-smi's memory of it."""

    name: str
    total_bytes: int | None = None
    used_bytes: int | None = None


@frozen(kw_only=True)
class Surroundings:
    """What is said of the machine; nothing where nothing is. `line` is the first that said something, 0 for none. `platform` is
    that of vLLM's lines, "" where they do not tell.
    """

    vllm_version: str | None = None
    driver: str | None = None
    gpus: tuple[SeenGpu, ...] = ()
    line: int = 0
    platform: str = ""


@define
class Looker:
    """Collects line by line; of a table shown twice the last counts."""

    _version: str | None = None
    _installed: str | None = None
    _driver: str | None = None
    _listed: list[SeenGpu] = field(factory=list)
    _table: list[SeenGpu] = field(factory=list)
    _whole: bool = False
    _line: int = 0
    _platforms: set[str] = field(factory=set)

    def look(self, line: str) -> None:
        """Any line, for the platform that it tells."""
        for name, marks in _PLATFORMS:
            if name not in self._platforms and marks.search(line):
                self._platforms.add(name)

    def read(self, line: str, number: int) -> None:
        """One line, without what was put before it."""
        lower = line.lower()
        if not any(map(lower.__contains__, _TELLING)) and not line.startswith("|"):
            return
        said = self._versions(line, lower) | self._gpus(line)
        if said and not self._line:
            self._line = number

    def _versions(self, line: str, lower: str) -> bool:
        version = _VERSION.search(line) if "vllm" in lower else None
        driver = _DRIVER.search(line) if "driver version" in lower else None
        if version:
            self._version = version["reported"] or self._version
            self._installed = version["installed"] or self._installed
        if driver:
            self._driver = driver["driver"]
        return bool(version or driver)

    def _gpus(self, line: str) -> bool:
        listed, named, memory = _LISTED.search(line), _NAMED.search(line), _MEMORY.search(line)
        if listed and len(self._listed) < _MOST_GPUS:
            self._listed.append(SeenGpu(name=listed["gpu"].strip()))
        if named:
            if self._whole:
                self._table, self._whole = [], False
            if len(self._table) < _MOST_GPUS:
                self._table.append(SeenGpu(name=named["gpu"].strip()))
        if "Processes:" in line or "Driver Version" in line:
            self._whole = bool(self._table)
        if memory and self._table and self._table[-1].total_bytes is None:
            used, total = int(memory["used"]) * MIB, int(memory["total"]) * MIB
            self._table[-1] = SeenGpu(name=self._table[-1].name, total_bytes=total, used_bytes=used)
        return bool(listed or named)

    def found(self) -> Surroundings:
        """What was said."""
        version = self._version or self._installed
        return Surroundings(
            vllm_version=version.split("@", 1)[0] if version else None,
            driver=self._driver,
            gpus=tuple(self._table or self._listed),
            line=self._line,
            platform=next((name for name, _ in _PLATFORMS if name in self._platforms), ""),
        )
