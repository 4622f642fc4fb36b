import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from vram_plugins.web.server import Server


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[..., Server]]:
    """Starts a server on a free port of this machine, with what it is given."""
    with ExitStack() as stack:

        def start(*names: str, **given: object) -> Server:
            server = stack.enter_context(Server("127.0.0.1", 0, names, **given))
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
            stack.callback(server.shutdown)
            return server

        yield start


@pytest.fixture(scope="session")
def server(serve: Callable[..., Server]) -> Server:
    """As `vram web` starts it."""
    return serve()
