"""What commands share: vLLM's flags as options, help under headings, from options to an answer, reports, warnings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vram.plugin.lazy import names_from

if TYPE_CHECKING:
    from vram.commands.answers import arguments_from, estimate_from, opened, warn_about_plugins
    from vram.commands.groups import GroupedCommand
    from vram.commands.options import (
        engine_arguments,
        engine_options,
        hardware_options,
        model_options,
        policy_of,
        workload_options,
    )
    from vram.commands.pasted import models_for, pasted_command
    from vram.commands.progress import Progress
    from vram.commands.reports import report_options, write_reports
else:
    __getattr__ = names_from(
        __name__,
        {
            "vram.commands.answers": "arguments_from estimate_from opened warn_about_plugins",
            "vram.commands.groups": "GroupedCommand",
            "vram.commands.pasted": "models_for pasted_command",
            "vram.commands.progress": "Progress",
            "vram.commands.options": "engine_arguments engine_options hardware_options model_options policy_of workload_options",
            "vram.commands.reports": "report_options write_reports",
        },
    )

__all__ = [
    "GroupedCommand",
    "Progress",
    "arguments_from",
    "engine_arguments",
    "engine_options",
    "estimate_from",
    "hardware_options",
    "model_options",
    "models_for",
    "opened",
    "pasted_command",
    "policy_of",
    "report_options",
    "warn_about_plugins",
    "workload_options",
    "write_reports",
]
