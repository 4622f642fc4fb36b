"""What commands share: vLLM's flags as options, help under headings, from options to an answer, reports, warnings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vram.lazy import names_from

if TYPE_CHECKING:
    from vram.cli._answer import estimate_from, warn_about_plugins
    from vram.cli._groups import GroupedCommand
    from vram.cli._options import (
        engine_arguments,
        engine_options,
        hardware_options,
        model_options,
        policy_of,
        workload_options,
    )
    from vram.cli._progress import Progress
    from vram.cli._reports import report_options, write_reports
else:
    __getattr__ = names_from(
        __name__,
        {
            "vram.cli._answer": "estimate_from warn_about_plugins",
            "vram.cli._groups": "GroupedCommand",
            "vram.cli._progress": "Progress",
            "vram.cli._options": "engine_arguments engine_options hardware_options model_options policy_of workload_options",
            "vram.cli._reports": "report_options write_reports",
        },
    )

__all__ = [
    "GroupedCommand",
    "Progress",
    "engine_arguments",
    "engine_options",
    "estimate_from",
    "hardware_options",
    "model_options",
    "policy_of",
    "report_options",
    "warn_about_plugins",
    "workload_options",
    "write_reports",
]
