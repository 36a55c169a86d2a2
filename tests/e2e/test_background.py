"""Background responses: from the official client through the asynchronous endpoint to a final status."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import openai
import pytest

from tests.e2e.receiver import Receiver
from twin.cli.background import ask_in_background

if TYPE_CHECKING:
    from openai.types.responses import Response

    from tests.e2e.conftest import DeployedTwin

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("e2e")]

QUESTION = "How long does a copy take to wake from zero?"
RUNNING = {"queued", "in_progress"}


def create(twin: DeployedTwin, question: str = QUESTION, **more: Any) -> Response:
    created: Response = twin.client().responses.create(
        model=twin.model, input=question, background=True, **more
    )
    return created


def ended(twin: DeployedTwin, job: str, *, seconds: float = 60) -> Response:
    """The response once it has a final status."""
    client, deadline = twin.client(), time.monotonic() + seconds
    while (response := client.responses.retrieve(job)).status in RUNNING:
        assert time.monotonic() < deadline, f"{job} is still {response.status}"
        time.sleep(0.1)
    return response


def test_a_background_response_is_accepted_at_once_and_answered_later(twin: DeployedTwin) -> None:
    created = create(twin, metadata={"ticket": "17"})
    assert (created.status, created.background, created.output) == ("queued", True, [])
    response = ended(twin, created.id)
    assert response.status == "completed"
    assert response.output_text
    assert response.metadata == {"ticket": "17"}
    assert response.usage is not None
    assert response.usage.output_tokens > 0
    extra = response.model_extra or {}
    assert extra["grounded"] is True
    assert [source["index"] for source in extra["search_results"]] == list(
        range(1, len(extra["search_results"]) + 1)
    )


def test_the_same_question_gets_the_same_answer_in_the_foreground(twin: DeployedTwin) -> None:
    in_foreground = twin.client().responses.create(model=twin.model, input=QUESTION)
    assert in_foreground.output_text == ended(twin, create(twin).id).output_text


def test_a_streamed_response_has_the_events_of_the_responses_api(twin: DeployedTwin) -> None:
    with twin.client().responses.stream(model=twin.model, input=QUESTION) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    assert kinds.count("response.output_text.delta") > 3
    assert final.output_text


def test_the_command_shows_the_job_and_its_answer(
    twin: DeployedTwin, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask_in_background(twin.connection(), QUESTION) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("job resp_")
    assert "  completed\n" in printed
    assert "\nSources\n  [1" in printed


def test_an_idempotency_key_returns_the_first_response(twin: DeployedTwin) -> None:
    key = {"Idempotency-Key": uuid.uuid4().hex}
    with ThreadPoolExecutor(8) as pool:
        jobs = set(pool.map(lambda _: create(twin, extra_headers=key).id, range(8)))
    assert len(jobs) == 1
    assert ended(twin, jobs.pop()).status == "completed"
    with pytest.raises(openai.BadRequestError) as raised:
        create(twin, "Another question?", extra_headers=key)
    assert raised.value.code == "idempotency_key_reused"


def test_keys_see_only_their_own_jobs(twin: DeployedTwin) -> None:
    job = create(twin).id
    stranger = twin.client(twin.key("subscriber"))
    with pytest.raises(openai.NotFoundError):
        stranger.responses.retrieve(job)
    assert ended(twin, job).status == "completed"


def test_a_cancelled_response_stays_cancelled(twin: DeployedTwin) -> None:
    with twin.fault("stall", endpoint=twin.async_endpoint, seconds=2.0):
        job = create(twin).id
        assert twin.client().responses.cancel(job).status == "cancelled"
        twin.until_idle()
    assert ended(twin, job).status == "cancelled"
    assert twin.client().responses.cancel(job).status == "cancelled"


def test_a_deleted_response_leaves_nothing(twin: DeployedTwin) -> None:
    job = create(twin).id
    ended(twin, job)
    twin.client().responses.delete(job)
    with pytest.raises(openai.NotFoundError):
        twin.client().responses.retrieve(job)


def test_a_failing_model_is_a_failed_response(twin: DeployedTwin) -> None:
    with twin.fault("model_error", endpoint=twin.async_endpoint, status=500, message="CUDA out of memory"):
        response = ended(twin, create(twin).id)
    assert response.status == "failed"
    assert response.error is not None
    error = response.error.model_dump()
    assert error["code"] == "model_error"
    assert "CUDA" not in error["message"]


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [("duplicate_notification", "completed", None), ("missing_output", "failed", "missing_output")],
)
def test_what_sagemaker_reports_ends_in_one_status(
    twin: DeployedTwin, fault: str, status: str, code: str | None
) -> None:
    with twin.fault(fault, endpoint=twin.async_endpoint):
        response = ended(twin, create(twin).id, seconds=120)
    assert response.status == status
    assert (response.error.code if response.error else None) == code


def test_the_sweeper_ends_a_job_whose_notification_was_lost(twin: DeployedTwin) -> None:
    with twin.fault("drop_notification", endpoint=twin.async_endpoint):
        job = create(twin).id
        twin.until_idle()
    assert twin.client().responses.retrieve(job).status == "queued"
    twin.make_due(job)
    assert ended(twin, job, seconds=90).status == "completed"


def test_requests_wait_while_the_endpoint_is_at_zero(twin: DeployedTwin) -> None:
    with twin.asynchronous_at_zero():
        assert ended(twin, create(twin).id).status == "completed"


def test_jobs_of_many_clients_all_end_once(twin: DeployedTwin) -> None:
    """As many as a test has time for; `make bench` runs 1,000."""
    with ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(lambda number: create(twin, f"{QUESTION} ({number})").id, range(60)))
        responses = list(pool.map(lambda job: ended(twin, job, seconds=120), jobs))
    assert len(set(jobs)) == 60
    assert {response.status for response in responses} == {"completed"}
    assert all(response.output_text for response in responses)


def test_a_client_with_a_webhook_is_told(twin: DeployedTwin, receiver: Receiver) -> None:
    receiver.refuse_next(1)
    client = twin.client(twin.key("subscriber"))
    job = client.responses.create(model=twin.model, input=QUESTION, background=True).id
    delivery = receiver.wait(60)
    event = client.webhooks.unwrap(delivery.body, delivery.headers, secret=twin.webhook_secret("subscriber"))
    assert (event.type, event.data.id) == ("response.completed", job)  # type: ignore[union-attr]
    assert receiver.attempts == 2
    with pytest.raises(openai.InvalidWebhookSignatureError):
        client.webhooks.unwrap(
            delivery.body + b" ", delivery.headers, secret=twin.webhook_secret("subscriber")
        )
