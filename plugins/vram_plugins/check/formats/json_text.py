"""The JSON contract: a list with one object for each server."""

from __future__ import annotations

import json

from vram_plugins.check.records import Checked


def written(checked: Checked) -> str:
    """Plain ASCII, whatever the names of the files are."""
    # one at a time: the answers of thousands of servers as dicts would take more memory than all else
    items = (json.dumps(finding.to_dict(), indent=1) for finding in checked.findings)
    return f"[{','.join(items)}]\n"
