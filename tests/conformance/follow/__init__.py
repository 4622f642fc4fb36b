"""Follow a release of vLLM: what came and went, which numbers moved and why, and what `vram` says about them.

    python -m tests.conformance.follow 0.34.0 --work follow-0.34.0

`docs/how-to/follow-a-release.md` is the page for it. `sources` and `environment` fetch a release, `asking` asks it what
is recorded of the one before, `moves` compares both, `causes` names files of vLLM, `report` writes.
"""
