"""S3 event notifications."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ingestion.events import UnknownEventError, object_keys


def notification(*keys: str, bucket: str = "corpus") -> str:
    records = [{"s3": {"bucket": {"name": bucket}, "object": {"key": key}}} for key in keys]
    return json.dumps({"Records": records})


def test_keys_are_decoded_and_told_once() -> None:
    body = notification("a+b/%C3%A4%2B1.md", "c.md", "c.md")
    assert object_keys(body, "corpus") == ["a b/ä+1.md", "c.md"]


def test_the_test_event_has_no_keys() -> None:
    assert (
        object_keys('{"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "corpus"}', "corpus") == []
    )


def test_another_bucket_is_refused() -> None:
    with pytest.raises(UnknownEventError) as caught:
        object_keys(notification("a.md", bucket="other"), "corpus")
    assert str(caught.value) == "the event is of the bucket other, expected corpus"


@pytest.mark.parametrize(
    "body", ["", "[]", "{}", '{"Records": 1}', '{"Records": [{}]}', '{"Records": [null]}']
)
def test_anything_else_is_refused(body: Any) -> None:
    with pytest.raises(UnknownEventError, match=r"^not an S3 event notification: "):
        object_keys(body, "corpus")
