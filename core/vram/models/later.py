"""A record that a hook names first and gives on use."""

from __future__ import annotations

from vram.models.record import frozen


@frozen(kw_only=True, eq=False)
class Later:
    """What any hook may give in place of a record: the names, and where the record is.

    Nothing is imported until one of the `names` is asked for. `load` is "package.module:attribute"; the attribute is a
    record of the hook's kind, or a class or function that gives one or several when called without arguments. Together
    these have the names promised here, no more and no less: else the plugin is blamed, and does without them.
    `claims`: of a quantization scheme whose `claims` may take other schemes' checkpoints, those schemes' methods.

        Later(names=("NovelForCausalLM",), load="my_package.novel:Novel")
    """

    names: tuple[str, ...]
    load: str
    claims: tuple[str, ...] = ()
