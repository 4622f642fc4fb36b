"""What an annotation that is text means: records and contracts are written with `from __future__ import annotations`."""

from __future__ import annotations

import sys
from typing import Any


def meant(annotation: str, module: str) -> Any:
    """The type that an annotation in a class body of `module` names. Raises NameError and the like where it is there for type
    checkers alone. The words are those of a program that is imported already, never those of a file that is read.
    """
    return eval(annotation, vars(sys.modules[module]))  # noqa: S307  # nosec B307
