"""API keys that come as Bearer tokens, and what API Gateway does with them."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx


def get(cloud: Any, path: str, token: str | None, **headers: str) -> httpx.Response:
    """A request with a Bearer token."""
    authorization = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.get(f"{cloud.api}/{path}", headers=authorization | headers, timeout=30)


def test_the_token_is_the_api_key(cloud: Any) -> None:
    response = get(cloud, "keyed", cloud.key("roomy"))
    assert response.status_code == 200
    context = json.loads(response.json()["headers"]["x-amzn-request-context"])
    assert context["authorizer"]["principalId"] == "client"


def test_the_integration_learns_which_key_it_was(cloud: Any) -> None:
    keys = cloud.client("apigateway").get_api_keys(includeValues=True)["items"]
    expected = next(key["id"] for key in keys if key["name"] == "roomy")
    response = get(cloud, "keyed", cloud.key("roomy"))
    identity = json.loads(response.json()["headers"]["x-amzn-request-context"])["identity"]
    assert (identity["apiKeyId"], identity["apiKey"]) == (expected, cloud.key("roomy"))
    open_to_all = httpx.get(f"{cloud.api}/seen").json()["headers"]["x-amzn-request-context"]
    assert "apiKeyId" not in json.loads(open_to_all)["identity"]


def test_a_keyed_method_below_another_with_a_path_parameter(cloud: Any) -> None:
    headers = {"Authorization": f"Bearer {cloud.key('roomy')}"}
    seen = httpx.delete(f"{cloud.api}/keyed/resp_1", headers=headers).json()
    context = json.loads(seen["headers"]["x-amzn-request-context"])
    assert (seen["method"], context["resourcePath"]) == ("DELETE", "/keyed/{id}")
    assert context["identity"]["apiKeyId"]
    assert seen["path"] == "/keyed/resp_1"


def test_the_integration_sees_no_trace_of_the_key_besides_the_header(cloud: Any) -> None:
    response = get(cloud, "buffered", cloud.key("roomy"))
    assert set(response.json()) == {"principalId", "invocations"}


def test_authorizer_results_are_cached(cloud: Any) -> None:
    """The authorizer counts its invocations in the context that it returns."""
    token = cloud.key("roomy")
    first, second = (get(cloud, "buffered", token).json() for _ in range(2))
    assert first["invocations"] == second["invocations"]


def test_no_key_is_a_401_in_the_apis_own_shape(cloud: Any) -> None:
    response = get(cloud, "keyed", None)
    assert response.status_code == 401
    assert response.json() == {"error": {"message": "Unauthorized", "code": "unauthorized"}}
    assert get(cloud, "keyed", "refused").status_code == 401


def test_an_unknown_key_is_refused_by_the_usage_plans(cloud: Any) -> None:
    response = get(cloud, "keyed", "no-such-key")
    assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")


def test_the_x_api_key_header_does_not_count(cloud: Any) -> None:
    key = cloud.key("roomy")
    assert get(cloud, "keyed", "no-such-key", **{"x-api-key": key}).status_code == 401


def test_over_quota(cloud: Any) -> None:
    """Two requests a day."""
    key = cloud.key("tiny")
    answers = [get(cloud, "keyed", key) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
    assert answers[2].json()["error"] == {"message": "Limit Exceeded", "code": "quota_exceeded"}
    assert answers[2].headers["x-should-retry"] == "false"


def test_throttled(cloud: Any) -> None:
    """One request a second; the bucket fills again."""
    key = cloud.key("slow")
    answers = [get(cloud, "keyed", key) for _ in range(3)]
    assert answers[0].status_code == 200
    assert answers[2].status_code == 429
    assert answers[2].json()["error"]["code"] == "throttled"
    assert answers[2].headers["retry-after"] == "1"
    time.sleep(1.1)
    assert get(cloud, "keyed", key).status_code == 200


def test_a_function_that_grants_nothing_to_the_api_is_not_invoked(cloud: Any) -> None:
    """The proxy function's permissions name two other methods."""
    response = httpx.get(f"{cloud.api}/denied", timeout=30)
    assert (response.status_code, response.json()) == (500, {"message": "Internal server error"})


def test_an_answer_that_is_no_object_is_a_502(cloud: Any) -> None:
    response = httpx.get(f"{cloud.api}/broken", timeout=30)
    assert (response.status_code, response.json()) == (502, {"message": "Internal server error"})


def test_access_log_has_a_line_per_request(cloud: Any) -> None:
    get(cloud, "keyed", cloud.key("roomy"))
    get(cloud, "keyed", "no-such-key")
    logs = cloud.client("logs")
    events = logs.filter_log_events(logGroupName="/test/access")["events"]
    accepted, refused = (json.loads(event["message"]) for event in events[-2:])
    assert accepted["status"] == "200"
    assert (accepted["path"], accepted["who"]) == ("/v/keyed", "client")
    assert accepted["key"] != "-"
    assert (refused["status"], refused["error"]) == ("401", "INVALID_API_KEY")
