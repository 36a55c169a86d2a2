"""Deliveries to webhooks: what is sent, who accepts it, and when it is tried again."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping

import openai
import pytest
from jobs import signature
from jobs.delivery import BadEventError, Courier, NotDeliveredError, body_of, read
from jobs.environment import Webhook
from jobs.http import NoAnswerError
from jobtable import events, ids

from tests.jobs.fakes import FakeSecrets

SECRET = "a secret with ü that nobody guesses"
URL = "https://app.example/hook"
RECORD = {
    "id": ids.new_id("resp_", 1),
    "status": "completed",
    "created_at": 900,
    "ended_at": 1_000,
    "client": "app",
}
EVENT = events.ended(RECORD)


class Post:
    """Remembers requests, and answers with a status or an error."""

    def __init__(self, answer: int | Exception = 200) -> None:
        self.answer = answer
        self.requests: list[tuple[str, dict[str, str], bytes]] = []

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        self.requests.append((url, dict(headers), body))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def courier(post: Post, secret: str = SECRET, now: float | None = None) -> Courier:
    webhooks = {"app": Webhook(url=URL, secret_id="hook")}
    return Courier(webhooks, FakeSecrets(hook=secret), post, time.time if now is None else lambda: now)


def client(secret: str) -> openai.OpenAI:
    return openai.OpenAI(api_key="unused", webhook_secret=secret, base_url="http://127.0.0.1:9")


@pytest.mark.parametrize("secret", [SECRET, f"whsec_{base64.b64encode(b'0123456789abcdef').decode()}"])
@pytest.mark.parametrize(
    ("prefix", "status"),
    [
        *[("resp_", status) for status in ("completed", "incomplete", "failed", "cancelled")],
        *[("batch_", status) for status in ("completed", "failed", "expired", "cancelled")],
    ],
)
def test_the_openai_package_accepts_what_is_delivered(prefix: ids.Prefix, status: str, secret: str) -> None:
    job = ids.new_id(prefix, 1)
    record = {**RECORD, "id": job, "status": status, f"{status}_at": 1_000}
    post = Post()
    assert courier(post, secret).deliver(events.ended(record))
    ((url, headers, body),) = post.requests
    event = client(secret).webhooks.unwrap(body, headers)
    kind = "batch" if prefix == "batch_" else "response"
    assert url == URL
    assert (event.id, event.type, event.created_at) == (f"evt_{ids.digits(job)}", f"{kind}.{status}", 1_000)
    assert event.data.id == job  # type: ignore[union-attr]
    assert type(event).__name__ == f"{kind.title()}{status.title()}WebhookEvent"


def test_the_openai_package_refuses_another_secret_body_or_time() -> None:
    post = Post()
    courier(post).deliver(EVENT)
    ((_, headers, body),) = post.requests
    with pytest.raises(openai.InvalidWebhookSignatureError):
        client("another").webhooks.unwrap(body, headers)
    with pytest.raises(openai.InvalidWebhookSignatureError):
        client(SECRET).webhooks.unwrap(body.replace(b"completed", b"failed"), headers)
    later = {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)}
    with pytest.raises(openai.InvalidWebhookSignatureError):
        client(SECRET).webhooks.unwrap(body, later)


def test_a_signature_is_the_specifications() -> None:
    """The example of the Standard Webhooks specification's libraries."""
    body = b'{"test": 2432232314}'
    found = signature.headers(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body
    )
    assert found == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_every_delivery_has_the_same_body_and_id_and_its_own_time() -> None:
    post = Post()
    for now in (1_000.0, 2_000.0):
        courier(post, now=now).deliver(EVENT)
    (_, first, body), (_, second, again) = post.requests
    assert body == again == body_of(EVENT)
    assert first["webhook-id"] == second["webhook-id"] == EVENT["event_id"]
    assert (first["webhook-timestamp"], second["webhook-timestamp"]) == ("1000", "2000")


def test_the_secret_is_nowhere_in_the_request() -> None:
    post = Post()
    courier(post).deliver(EVENT)
    assert SECRET not in str(post.requests)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_answers_that_accept(status: int) -> None:
    assert courier(Post(status)).deliver(EVENT)


@pytest.mark.parametrize("status", [100, 199, 300, 301, 307, 400, 401, 404, 410, 429, 500, 503])
def test_answers_that_do_not(status: int) -> None:
    with pytest.raises(NotDeliveredError, match=f"^the receiver answered {status}$"):
        courier(Post(status)).deliver(EVENT)


def test_no_answer_is_no_delivery() -> None:
    with pytest.raises(NotDeliveredError, match=r"^no answer within 10 s$"):
        courier(Post(NoAnswerError("no answer within 10 s"))).deliver(EVENT)


def test_a_refused_delivery_is_signed_with_the_secret_as_it_is_then() -> None:
    """The receiver may know only the new one."""
    post, secrets = Post(401), FakeSecrets(hook="old")
    sender = Courier({"app": Webhook(url=URL, secret_id="hook")}, secrets, post, time.time)
    with pytest.raises(NotDeliveredError):
        sender.deliver(EVENT)
    secrets.secrets["hook"] = "new"
    post.answer = 200
    assert sender.deliver(EVENT)
    _, headers, body = post.requests[-1]
    assert client("new").webhooks.unwrap(body, headers).id == EVENT["event_id"]


def test_a_client_without_a_webhook_gets_nothing() -> None:
    post = Post()
    assert not courier(post).deliver({**EVENT, "client": "another"})
    assert post.requests == []


def test_an_event_is_read_from_a_message() -> None:
    assert read(json.dumps({**EVENT, "more": 1})) == EVENT


@pytest.mark.parametrize("body", ["", "nonsense", "[]", "{}", "null", '"text"'])
def test_anything_else_is_refused(body: str) -> None:
    with pytest.raises(BadEventError, match=r"^not an event: "):
        read(body)
