"""What the Hub's refusals mean for the user, in one sentence and a next step each.

`data["reason"]` of each error says whether another source may answer: "missing", "gated", "refused", "limited",
"unreachable" may be answered from the bundled catalog, "revision" may not.
"""

from __future__ import annotations

from collections.abc import Mapping

from vram.errors import ModelNotFoundError

#: reasons for which facts from elsewhere are an answer
ANSWERABLE_ELSEWHERE = frozenset({"missing", "gated", "refused", "limited", "unreachable", "offline"})

_OFFLINE_WAYS = "Give a local folder or config.json, or a model of `vram models`."


def unreachable(model: str, host: str, problem: str, *, again: bool = False) -> ModelNotFoundError:
    """The network failed. `again`: a second try may succeed."""
    return ModelNotFoundError(
        model=model, problem=f"{host} {problem}", next=_OFFLINE_WAYS, reason="unreachable", again=again
    )


def late(model: str) -> ModelNotFoundError:
    """The Hub may still answer, but is waited for no longer."""
    return ModelNotFoundError(model=model, problem="no answer came in time", next=_OFFLINE_WAYS, reason="unreachable")


def offline(model: str) -> ModelNotFoundError:
    """Nothing here knows the model and the network is forbidden."""
    return ModelNotFoundError(
        model=model,
        problem="it is neither in the Hub cache nor in the bundled catalog, and the network is switched off",
        next=f"Unset HF_HUB_OFFLINE (or drop --offline). {_OFFLINE_WAYS}",
        reason="offline",
    )


def unanswered(  # a table of cases
    model: str, revision: str | None, status: int, headers: Mapping[str, str], *, authenticated: bool
) -> ModelNotFoundError:
    """A refusal by status and by the Hub's X-Error-Code header (as `huggingface_hub.utils.hf_raise_for_status`).

    Without a token the Hub says 401 for what does not exist and for what is private alike.
    """
    code, text = headers.get("x-error-code", ""), headers.get("x-error-message", "").lower()
    if code == "RevisionNotFound":
        problem = f"it has no revision {revision or 'main'!r}"
        return _error(model, problem, "Look for branches and tags on its page, or leave --revision out.", "revision")
    if code == "GatedRepo":
        return _gated(model, authenticated=authenticated)
    if status == 401 and (authenticated or "invalid" in text):
        problem = "the Hub does not accept the token"
        return _error(model, problem, "Make a new one at huggingface.co/settings/tokens, or unset HF_TOKEN.", "refused")
    if status in (401, 404) or code == "RepoNotFound":
        step = "Check the spelling" + ("." if authenticated else ", or pass --token (HF_TOKEN) if it is private.")
        return _error(model, "the Hub knows no such model, or it is private", step, "missing")
    if "disabled" in text:
        return _error(model, "the Hub has disabled access to it", _OFFLINE_WAYS, "refused")
    if status in (403, 451):
        return _gated(model, authenticated=authenticated) if "gated" in text else _forbidden(model)
    if status == 429:
        wait = headers.get("retry-after", "")
        when = f" for {int(wait):,} s" if wait.isdigit() and len(wait) < 9 else ""
        return _error(
            model, f"the Hub asks to wait{when} (too many requests)", "Try later, or pass --token.", "limited"
        )
    if status >= 500:
        return _error(model, f"the Hub has a fault (status {status})", f"Try later. {_OFFLINE_WAYS}", "unreachable")
    return _error(model, f"the Hub answers with status {status}", _OFFLINE_WAYS, "unreachable")


def _gated(model: str, *, authenticated: bool) -> ModelNotFoundError:
    page = f"huggingface.co/{model}"
    if authenticated:
        return _error(model, "it is gated and your token has no access", f"Ask for access at {page}.", "gated")
    step = f"Accept its terms at {page}, then pass --token or set HF_TOKEN."
    return _error(model, "it is gated and no token was given", step, "gated")


def _forbidden(model: str) -> ModelNotFoundError:
    step = "Give the token the right to read it, or pass another --token."
    return _error(model, "the Hub refuses access (status 403)", step, "refused")


def _error(model: str, problem: str, step: str, reason: str) -> ModelNotFoundError:
    return ModelNotFoundError(model=model, problem=problem, next=step, reason=reason)
