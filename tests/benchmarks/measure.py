"""Run commands in turn, several times, and print what each took: `python measure.py RUNS '[["COMMAND", ...], ...]'`.

In turn, because what else the machine does then slows all of them alike, and their ratios stay. A process of its own, and a
small one: a child's peak memory starts from its parent's.
"""

import json
import os
import statistics
import sys
import time

QUIET = [(os.POSIX_SPAWN_OPEN, handle, os.devnull, os.O_WRONLY, 0) for handle in (1, 2)]


def main() -> None:
    """Per command its median CPU, user CPU and wall seconds, peak MiB and last exit code as JSON; one round warms up."""
    commands = json.loads(sys.argv[2])
    rounds = [[once(command) for command in commands] for _ in range(int(sys.argv[1]) + 1)]
    print(json.dumps([summary(runs) for runs in zip(*rounds, strict=True)]))


def once(command: list[str]) -> tuple[float, float, float, float, int]:
    """One run."""
    start = time.monotonic()
    process = os.posix_spawn(command[0], command, os.environ, file_actions=QUIET)
    _, status, used = os.wait4(process, 0)
    wall = time.monotonic() - start
    code = os.waitstatus_to_exitcode(status)
    return used.ru_utime + used.ru_stime, used.ru_utime, wall, used.ru_maxrss / 1024, code


def summary(runs: tuple[tuple[float, float, float, float, int], ...]) -> list[float]:
    """Medians of the times without the first run's, the highest peak, the last exit code."""
    *times, memory, code = zip(*runs, strict=True)
    return [*(statistics.median(column[1:]) for column in times), max(memory), code[-1]]


main()
