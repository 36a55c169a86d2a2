"""Delivers events to clients' webhooks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jobs import signature
from jobs.http import NoAnswerError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jobtable.events import Event

    from jobs.environment import Webhook
    from jobs.stores import Secrets

FIELDS = ("event_id", "type", "created_at", "client", "id")


class BadEventError(Exception):
    """A message of the queue is no event."""


class NotDeliveredError(Exception):
    """The receiver did not take the event; the message has to come again."""


class Courier:
    """Delivers to `webhooks`, by the client's name; `post` returns the status that it is answered."""

    def __init__(
        self,
        webhooks: Mapping[str, Webhook],
        secrets: Secrets,
        post: Callable[[str, Mapping[str, str], bytes], int],
        clock: Callable[[], float],
    ) -> None:
        self._webhooks = webhooks
        self._secrets = secrets
        self._post = post
        self._clock = clock

    def deliver(self, event: Event) -> bool:
        """Deliver an event; False when its client has no webhook any more.

        Raises `NotDeliveredError`, and whatever reading the secret raises.
        """
        webhook = self._webhooks.get(event["client"])
        if webhook is None:
            return False
        body = body_of(event)
        signed = signature.headers(
            self._secrets.read(webhook.secret_id), event["event_id"], int(self._clock()), body
        )
        headers = {"content-type": "application/json", "user-agent": "llm-twin-webhooks/1", **signed}
        try:
            status = self._post(webhook.url, headers, body)
        except NoAnswerError as error:
            raise NotDeliveredError(str(error)) from error
        if not 200 <= status < 300:
            # It may be signed with a secret that was replaced meanwhile.
            self._secrets.forget(webhook.secret_id)
            raise NotDeliveredError(f"the receiver answered {status}")
        return True


def read(message: str) -> Event:
    """The event in a message's body. Raises `BadEventError`."""
    try:
        event: Event = json.loads(message)
        return {name: event[name] for name in FIELDS}
    except (ValueError, KeyError, TypeError) as error:
        raise BadEventError(f"not an event: {type(error).__name__}: {error}") from error


def body_of(event: Event) -> bytes:
    """The event as OpenAI's clients read it; the same for every delivery."""
    document: dict[str, Any] = {
        "id": event["event_id"],
        "object": "event",
        "created_at": event["created_at"],
        "type": event["type"],
        "data": {"id": event["id"]},
    }
    return json.dumps(document, separators=(",", ":")).encode()
