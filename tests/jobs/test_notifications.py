"""SageMaker's notifications of asynchronous invocations."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jobs.notifications import Notification, UnknownNotificationError, parse
from jobtable import ids, keys

from tests.jobs.simulation import BUCKET, OWNER, notification

RESPONSE = ids.new_id("resp_", 1)
OUTPUT = f"{keys.ASYNCHRONOUS_OUTPUT}key1:resp.out"
FAILURE = f"{keys.ASYNCHRONOUS_FAILURE}a-error.out"


def test_a_completed_invocation() -> None:
    found = parse(notification(RESPONSE, "Completed", output=OUTPUT), BUCKET)
    assert found == Notification(OWNER, RESPONSE, "Completed", OUTPUT)


def test_a_failed_invocation() -> None:
    found = parse(notification(RESPONSE, "Failed", failure=FAILURE), BUCKET)
    assert found == Notification(
        OWNER, RESPONSE, "Failed", failure_key=FAILURE, reason="The request has failed."
    )


@pytest.mark.parametrize(
    ("status", "reason"), [("Expired", ""), ("Failed", "Request expired after 60 seconds in the queue")]
)
def test_an_expired_invocation(status: str, reason: str) -> None:
    message = {**json.loads(notification(RESPONSE, status)), "failureReason": reason}
    assert parse(json.dumps(message), BUCKET).status == "Expired"


def test_what_the_model_answered_is_left_out_of_the_reason() -> None:
    reason = 'ClientError: Received client error (400) from model with message "the secret words".'
    message = {**json.loads(notification(RESPONSE, "Failed")), "failureReason": reason}
    assert parse(json.dumps(message), BUCKET).reason == "ClientError: Received client error (400) from model"


def test_places_may_be_missing() -> None:
    message = json.loads(notification(RESPONSE, "Failed"))
    del message["responseParameters"]
    assert parse(json.dumps(message), BUCKET).failure_key is None


@pytest.mark.parametrize(
    "changes",
    [
        {"inferenceId": None},
        {"inferenceId": "no id"},
        {"inferenceId": f"{OWNER}:batch_{'1' * 32}"},
        {"responseParameters": "text"},
        {"responseParameters": {"outputLocation": f"s3://another/{keys.ASYNCHRONOUS_OUTPUT}a.out"}},
        {"responseParameters": {"outputLocation": f"s3://{BUCKET}/jobs/files/key1/file.jsonl"}},
        {"responseParameters": {"outputLocation": f"https://{BUCKET}/{keys.ASYNCHRONOUS_OUTPUT}a.out"}},
        {"responseParameters": {"failureLocation": f"s3://{BUCKET}/{keys.ASYNCHRONOUS_OUTPUT}a.out"}},
    ],
)
def test_anything_else_is_refused(changes: dict[str, Any]) -> None:
    message = {**json.loads(notification(RESPONSE, "Completed")), **changes}
    with pytest.raises(
        UnknownNotificationError, match=r"^not a notification of an asynchronous invocation: "
    ):
        parse(json.dumps(message), BUCKET)


@pytest.mark.parametrize("body", ["", "nonsense", "[]", "null", "{}", '"text"', "17"])
def test_what_is_no_object_is_refused(body: str) -> None:
    with pytest.raises(UnknownNotificationError):
        parse(body, BUCKET)
