"""Whether a text is Go's template of a manifest (Helm's): no YAML before it is rendered."""

from __future__ import annotations

import re

_MARK = re.compile(
    r"\{\{-?\s*(?:\.(?:Values|Release|Chart)\.|\$|(?:include|if|range|with|template|define|tpl|toYaml)\b)"
)
#: objects whose values are a chart's, which may have templates among them and are none themselves (Flux, Argo CD, k3s)
_GIVES_VALUES = re.compile(
    r"^apiVersion:[ \t]*(?:helm\.toolkit\.fluxcd\.io|argoproj\.io|helm\.cattle\.io)/", re.MULTILINE
)
_LONGEST = 300  # of what is looked at in front of a mark


def is_template(text: str) -> bool:
    """Whether a manifest is a template. Values may hold templates in quotes, and are YAML."""
    if "{{" not in text or "apiVersion" not in text:
        return False
    quoted = _GIVES_VALUES.search(text) is not None
    return any(not (quoted and _in_quotes(text, mark.start())) for mark in _MARK.finditer(text))


def _in_quotes(text: str, at: int) -> bool:
    """Whether a quote is opened in front of a place, on its line."""
    before = text[max(text.rfind("\n", max(at - _LONGEST, 0), at) + 1, at - _LONGEST, 0) : at]
    return '"' in before or "'" in before
