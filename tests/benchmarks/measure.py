"""Run a command several times and print what it took: `python measure.py RUNS COMMAND ...`.

A process of its own, and a small one: a child's peak memory starts from its parent's.
"""

import json
import os
import statistics
import sys
import time

QUIET = [(os.POSIX_SPAWN_OPEN, handle, os.devnull, os.O_WRONLY, 0) for handle in (1, 2)]


def main() -> None:
    """Median CPU, user CPU and wall seconds, peak memory in MiB, and the last exit code as JSON; one run warms up."""
    command = sys.argv[2:]
    cpu, user, wall, memory, code = [], [], [], 0.0, 0
    for _ in range(int(sys.argv[1]) + 1):
        start = time.monotonic()
        process = os.posix_spawn(command[0], command, os.environ, file_actions=QUIET)
        _, status, used = os.wait4(process, 0)
        wall.append(time.monotonic() - start)
        user.append(used.ru_utime)
        cpu.append(used.ru_utime + used.ru_stime)
        memory, code = max(memory, used.ru_maxrss / 1024), os.waitstatus_to_exitcode(status)
    print(json.dumps([*(statistics.median(times[1:]) for times in (cpu, user, wall)), memory, code]))


main()
