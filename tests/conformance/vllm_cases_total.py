"""Count the cases of vLLM's own tests: `python -m tests.conformance.vllm_cases_total [-v]`."""

from __future__ import annotations

import sys
from collections import Counter

from tests.conformance.vllm_cases_reading import cases, differences


def main() -> None:
    """One line of totals; with -v each difference and each cause before it."""
    totals: Counter[str] = Counter()
    causes: Counter[str] = Counter()
    for case in cases():
        found = differences(case)
        causes[case.get("cause", "")] += 1
        totals["agree" if not found else "listed" if "cause" in case else "differ"] += 1
        if found and "-v" in sys.argv:
            print(f"{case['kind']}:{case['number']} {case['at']} {case.get('cause', '')}\n    " + "\n    ".join(found))
    for cause, count in causes.items():
        if cause and "-v" in sys.argv:
            print(f"{count} listed: {cause}")
    print(
        f"{totals.total()} cases of vLLM 0.33.0's own tests: {totals['agree']} agree, "
        f"{totals['listed']} listed with their cause, {totals['differ']} differ"
    )


if __name__ == "__main__":
    main()
