"""An ASGI application under uvicorn, in a thread, on a free port of 127.0.0.1."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def serve(app: Any) -> Iterator[str]:
    """Yield the server's base URL; stop it on leaving."""
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:  # asyncio then turns off delays
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            app, log_level="critical", timeout_graceful_shutdown=1, loop="asyncio", http="h11"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.005)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
