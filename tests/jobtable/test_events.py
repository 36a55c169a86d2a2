"""What webhooks are told."""

from __future__ import annotations

from typing import Any

import pytest
from jobtable import events, ids, states

RESPONSE = ids.new_id("resp_", 1)
BATCH = ids.new_id("batch_", 1)


def test_a_response_that_ended() -> None:
    record = {"id": RESPONSE, "status": "incomplete", "created_at": 5, "ended_at": 9, "client": "app"}
    assert events.ended(record) == {
        "event_id": f"evt_{RESPONSE[5:]}",
        "type": "response.incomplete",
        "created_at": 9,
        "client": "app",
        "id": RESPONSE,
    }


def test_a_batch_that_expired() -> None:
    record = {"id": BATCH, "status": "expired", "created_at": 5, "expired_at": 8, "client": "app"}
    assert events.ended(record) == {
        "event_id": f"evt_{BATCH[6:]}",
        "type": "batch.expired",
        "created_at": 8,
        "client": "app",
        "id": BATCH,
    }


@pytest.mark.parametrize("status", sorted(states.OPEN | states.FINAL))
@pytest.mark.parametrize("client", [{}, {"client": "app"}])
@pytest.mark.parametrize("told", [{}, {"notified_at": 5}])
def test_only_a_client_with_a_webhook_awaits_the_end(
    status: str, client: dict[str, Any], told: dict[str, Any]
) -> None:
    expected = status in states.FINAL and bool(client) and not told
    assert events.awaits({"status": status, **client, **told}) is expected
