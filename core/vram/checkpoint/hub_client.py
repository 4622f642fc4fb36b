"""Small reads from one repository of the Hub through huggingface_hub's own client.

Its session brings proxies, certificates, the endpoint variable and the token; the reading is ours, so that sizes
and times are bounded, nothing is written to disk, and no text of a server or a token reaches a message.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, NoReturn
from urllib.parse import quote, urlsplit

from vram.checkpoint.hub_errors import unanswered, unreachable
from vram.checkpoint.json_text import parse_object
from vram.errors import InputError, ModelNotFoundError

#: seconds: for a connection and a host's first word, for silence in between, and for one file altogether
CONNECT_SECONDS, SILENCE_SECONDS, FILE_SECONDS = 5.0, 10.0, 60.0
#: seconds in which a host that did not answer at all is not asked again: a folder may name a hundred models
LEFT_ALONE_SECONDS = 60.0
#: the longest Retry-After that is waited for; a longer one is told to the user
MAX_WAIT_SECONDS = 8.0
_ATTEMPTS = 3
_RETRIED = (408, 429, 500, 502, 503, 504)
_LISTING_BYTES = 32 * 2**20
#: what all reads of one repository may fetch: five times the headers of the largest checkpoints
_BUDGET_BYTES = 300 * 2**20


#: by address, until when it is left alone, and what was wrong
_silent: dict[str, tuple[float, str]] = {}


class _Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    commit: str | None
    body: bytes


class HubRepository:
    """One model repository at one revision, pinned to a commit by the first answer that names one."""

    def __init__(
        self, repository: str, revision: str | None, token: str | bool | None, seconds: float | None = None
    ) -> None:
        """`seconds` are those after which nothing more is asked; None: as long as it takes."""
        from huggingface_hub import constants, utils

        if isinstance(token, str) and not (token.isascii() and token.isprintable() and token.strip() == token):
            raise InputError(name="token", value="(not shown)", problem="must be printable ASCII without spaces around")
        hub: Any = utils
        client: Any = constants
        self.repository = repository
        self.revision = revision
        self.commit: str | None = None
        self._endpoint: str = constants.ENDPOINT
        # not `build_hf_headers`, which asks the Hub which programs are agents, and tells it which torch is installed
        self._headers = {"user-agent": "vram"}
        if token is None and client.HF_HUB_DISABLE_IMPLICIT_TOKEN:
            token = False
        try:
            sent = token if isinstance(token, str) else token is not False and hub.get_token()
        except (OSError, ValueError):  # an unreadable token file
            sent = None
        if sent:
            self._headers["authorization"] = f"Bearer {sent}"
        elif token is True:
            raise InputError(name="token", value=True, problem="no token is saved on this machine")
        self._session: Any = hub.get_session
        self._left = _BUDGET_BYTES
        self._until = time.monotonic() + seconds if seconds is not None else math.inf
        self._heard = False

    @property
    def authenticated(self) -> bool:
        """Whether a token is sent."""
        return "authorization" in self._headers

    def read(self, name: str, limit: int) -> bytes | None:
        """A small file whole, None where the repository has none of that name. Raises ModelNotFoundError."""
        answer = self._ask(self._url(name), limit + 1, {})
        if answer is None:
            return None
        if len(answer.body) > limit:
            self._refuse("too large", f"the Hub's {name} is larger than {limit:,} bytes, which no such file is")
        return answer.body

    def read_start(self, name: str, count: int) -> tuple[bytes, int | None] | None:
        """The first `count` bytes of a file and the file's size if the server says it; None where it is absent.

        A server that ignores the range sends the whole file: reading stops, and the connection is closed.
        Raises ModelNotFoundError.
        """
        answer = self._ask(self._url(name), count, {"Range": f"bytes=0-{count - 1}"})
        return None if answer is None else (answer.body, _size_of(answer))

    def files(self) -> tuple[str, ...]:
        """Names of all files, from the Hub's API. Raises ModelNotFoundError, CheckpointError."""
        revision = quote(self.commit or self.revision or "main", safe="")
        url = f"{self._endpoint}/api/models/{self.repository}/revision/{revision}"
        answer = self._ask(url, _LISTING_BYTES, {})
        if answer is None:
            return ()
        listing = parse_object(answer.body, f"the Hub's list of {self.repository}", limit=_LISTING_BYTES)
        siblings = listing.get("siblings")
        entries = siblings if isinstance(siblings, list) else []
        names = [entry.get("rfilename") for entry in entries if isinstance(entry, dict)]
        return tuple(name for name in names if isinstance(name, str))

    def _url(self, name: str) -> str:
        revision = quote(self.commit or self.revision or "main", safe="")
        return f"{self._endpoint}/{self.repository}/resolve/{revision}/{quote(name)}"

    def _ask(self, url: str, limit: int, headers: dict[str, str]) -> _Answer | None:
        """The answer, None for a file that is not there. Waits and asks again where that may help."""
        until, problem = _silent.get(self._endpoint, (0.0, ""))
        if time.monotonic() < until:
            raise unreachable(self.repository, self.host, f"{problem}, a moment ago")
        if time.monotonic() > self._until:
            raise unreachable(self.repository, self.host, "is too slow")
        deadline = min(time.monotonic() + FILE_SECONDS, self._until)
        for attempt in range(1, _ATTEMPTS + 1):
            last = attempt == _ATTEMPTS
            try:
                answer = self._fetch(url, limit, headers, deadline)
            except ModelNotFoundError as error:
                if last or not error.data.get("again"):
                    raise
                continue
            if answer.status in _RETRIED and not last:
                wait = _seconds(answer.headers.get("retry-after"), default=0.5 * attempt)
                if wait <= MAX_WAIT_SECONDS:
                    time.sleep(wait)
                    continue
            return self._accept(answer)
        raise AssertionError("unreachable")

    def _accept(self, answer: _Answer) -> _Answer | None:
        if answer.status in (200, 206):
            self.commit = self.commit or answer.commit
            self._left -= len(answer.body)
            if self._left < 0:
                self._refuse("too large", "its headers are larger than those of any known model")
            return answer
        if answer.status == 416:  # a range was asked of an empty file
            return answer._replace(body=b"")
        code = answer.headers.get("x-error-code", "")
        if code == "EntryNotFound" or (answer.status == 404 and not code and self.commit):
            return None
        raise unanswered(
            self.repository, self.revision, answer.status, answer.headers, authenticated=self.authenticated
        )

    def _fetch(self, url: str, limit: int, headers: dict[str, str], deadline: float) -> _Answer:
        sent = {**self._headers, **headers, "Accept-Encoding": "identity"}
        silence = self._silence
        timeout = (min(CONNECT_SECONDS, silence), silence, silence, silence)
        with self._translated(), self._session().stream("GET", url, headers=sent, timeout=timeout) as response:
            self._heard = True
            commits = [each.headers.get("x-repo-commit") for each in (*response.history, response)]
            commit = next((found for found in commits if found and len(found) < 64 and found.isalnum()), None)
            body = bytearray()
            if response.status_code in (200, 206):
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) >= limit:
                        break
                    if time.monotonic() > deadline:
                        raise unreachable(self.repository, self.host, f"is too slow: {FILE_SECONDS:g} s for one file")
            return _Answer(response.status_code, dict(response.headers), commit, bytes(body[:limit]))

    @property
    def _silence(self) -> float:
        """Seconds without a byte that are waited for."""
        return SILENCE_SECONDS if self._heard else min(CONNECT_SECONDS, SILENCE_SECONDS)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Whatever the HTTP library raises, as one sentence. Its own texts may carry headers and are dropped."""
        try:
            yield
        except ModelNotFoundError:
            raise
        except Exception as error:
            kinds = {kind.__name__ for kind in type(error).__mro__}
            if "OfflineModeIsEnabled" in kinds:
                raise unreachable(self.repository, self.host, "is switched off by HF_HUB_OFFLINE") from None
            from_library = type(error).__module__.split(".")[0] in ("httpx", "httpx2", "httpcore", "httpcore2")
            if not from_library and not isinstance(error, OSError | UnicodeError):
                raise
            problem, again = _network_problem(kinds, str(error), self._silence)
            if "TimeoutException" in kinds and not self._heard:
                _silent[self._endpoint] = (time.monotonic() + LEFT_ALONE_SECONDS, problem)
            raise unreachable(self.repository, self.host, problem, again=again) from None

    @property
    def host(self) -> str:
        """The Hub's host name; the endpoint itself may carry a password."""
        return urlsplit(self._endpoint).hostname or "the Hub"

    def _refuse(self, reason: str, problem: str) -> NoReturn:
        raise ModelNotFoundError(
            model=self.repository, problem=problem, next="Give a local folder or a config.json.", reason=reason
        )


def _network_problem(kinds: set[str], text: str, silence: float) -> tuple[str, bool]:  # a table of cases
    """What went wrong on the way, and whether asking again may help."""
    if "ProxyError" in kinds:
        return "cannot be reached: the proxy refuses", False
    if "ConnectTimeout" in kinds:
        return f"cannot be reached: no connection within {min(CONNECT_SECONDS, silence):g} s", False
    if "TimeoutException" in kinds or "TimeoutError" in kinds:
        return f"does not answer: silence for {silence:g} s", False
    if "CERTIFICATE" in text.upper() or "SSL" in text.upper():
        return "cannot be reached: its certificate is not trusted", False
    if "ConnectError" in kinds:
        return "cannot be reached: no connection", False
    if "TooManyRedirects" in kinds:
        return "redirects in a circle", False
    if "RemoteProtocolError" in kinds or "ReadError" in kinds:
        return "broke off the connection", True
    return "cannot be read", False


def _seconds(text: str | None, *, default: float) -> float:
    """Retry-After in seconds; a date or nonsense counts as absent."""
    return float(text) if text is not None and text.isdigit() and len(text) < 9 else default


def _size_of(answer: _Answer) -> int | None:
    """The whole file's size: behind the slash of Content-Range, or Content-Length where the range was ignored."""
    range_of_whole = answer.headers.get("content-range", "").rpartition("/")[2]
    text = range_of_whole if answer.status == 206 else answer.headers.get("content-length", "")
    return int(text) if text.isdigit() and len(text) < 20 else None
