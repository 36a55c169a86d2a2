"""A client's server, which receives webhooks."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass(frozen=True, slots=True)
class Delivery:
    """A request that was accepted."""

    headers: dict[str, str]
    body: bytes


class Receiver:
    """Accepts deliveries, after refusing as many as it was told to."""

    def __init__(self) -> None:
        self.attempts = 0
        self._refusals = 0
        self._accepted: queue.Queue[Delivery] = queue.Queue()

    def refuse_next(self, count: int) -> None:
        """Answer the next `count` requests with 503."""
        self._refusals = count

    def wait(self, seconds: float) -> Delivery:
        """The next delivery; raises queue.Empty."""
        return self._accepted.get(timeout=seconds)

    def take(self, delivery: Delivery) -> int:
        """Note a request; return the status that answers it."""
        self.attempts += 1
        if self._refusals:
            self._refusals -= 1
            return 503
        self._accepted.put(delivery)
        return 204


@contextmanager
def receiving(port: int) -> Iterator[Receiver]:
    """A receiver at `http://127.0.0.1:<port>/`."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = receiver.take(Delivery(dict(self.headers.items()), body))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
