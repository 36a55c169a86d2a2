"""The SageMaker runtime through unmodified boto3."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import urllib3
from botocore.exceptions import ClientError, EventStreamError
from urllib3.exceptions import ProtocolError

from tests.local_services.conftest import Cloud, CloudFactory, create_endpoint, details, refused
from twin.local.services.models import ModelOptions
from twin.local.services.runtime import RuntimeOptions
from twin.local.services.sagemaker import Delays

TARGET = {"EndpointName": "ep", "InferenceComponentName": "ic"}
QUESTION: dict[str, Any] = {"messages": [{"role": "user", "content": "Wie schön is größer than äöü 🦊?"}]}
SOURCES = (
    '<sources>\n<source id="1" title="Größe" url="https://example.org/">\n'
    "Größer is schöner: äöü 🦊 make a fine test of characters.\n</source>\n</sources>"
)
GROUNDED: dict[str, Any] = {"messages": [{"role": "system", "content": SOURCES}, *QUESTION["messages"]]}


def body(request: Mapping[str, Any], **extra: Any) -> bytes:
    return json.dumps({**request, **extra}).encode()


def order_fault(cloud: Cloud, **order: Any) -> None:
    answer = urllib3.request("POST", f"{cloud.url}/_local/faults", json=order)
    assert answer.status == 200, answer.data


def parts(answer: Mapping[str, Any]) -> list[bytes]:
    return [event["PayloadPart"]["Bytes"] for event in answer["Body"]]


def text_of(stream: bytes) -> str:
    """Joined content of a stream of server-sent events."""
    events = [line.removeprefix("data: ") for line in stream.decode().split("\n\n") if line]
    assert events[-1] == "[DONE]"
    choices = [choice for event in events[:-1] for choice in json.loads(event)["choices"]]
    return "".join(choice["delta"].get("content", "") for choice in choices)


@pytest.fixture
def runtime(cloud: Cloud) -> Any:
    create_endpoint(cloud.client("sagemaker"))
    return cloud.client("sagemaker-runtime")


def test_a_whole_answer(runtime: Any) -> None:
    answer = runtime.invoke_endpoint(**TARGET, Body=body(GROUNDED), ContentType="application/json")
    assert (answer["ContentType"], answer["InvokedProductionVariant"]) == ("application/json", "main")
    completion = json.loads(answer["Body"].read())
    assert completion["model"] == "extractive-stand-in"
    assert completion["choices"][0]["message"]["content"].endswith("a fine test of characters. [1]")


def test_a_streamed_answer_equals_the_whole_one(runtime: Any) -> None:
    whole = json.loads(runtime.invoke_endpoint(**TARGET, Body=body(GROUNDED))["Body"].read())
    answer = runtime.invoke_endpoint_with_response_stream(**TARGET, Body=body(GROUNDED, stream=True))
    assert answer["ContentType"] == "text/event-stream; charset=utf-8"
    assert answer["InvokedProductionVariant"] == "main"
    assert text_of(b"".join(parts(answer))) == whole["choices"][0]["message"]["content"]


@pytest.mark.parametrize("split", ["whole", "cut", "carry", "bytes:1", "bytes:100000"])
def test_streams_are_cut_anywhere_and_lose_nothing(start_cloud: CloudFactory, split: str) -> None:
    cloud = start_cloud(runtime_options=RuntimeOptions(payload_split=split))
    create_endpoint(cloud.client("sagemaker"))
    runtime = cloud.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint_with_response_stream(**TARGET, Body=body(GROUNDED, stream=True))
    received = parts(answer)
    assert "äöü 🦊" in text_of(b"".join(received))
    inside_a_character = any(part[0] & 0xC0 == 0x80 for part in received)
    inside_json = any(not part.startswith(b"data: ") for part in received)
    assert (inside_a_character, inside_json) == {
        "whole": (False, False),
        "bytes:100000": (False, False),
    }.get(split, (True, True))


def test_an_endpoint_without_components_serves_its_model(cloud: Cloud) -> None:
    sagemaker, runtime = cloud.client("sagemaker"), cloud.client("sagemaker-runtime")
    sagemaker.create_model(ModelName="m", PrimaryContainer={"Image": "vllm"})
    variants = [
        {"VariantName": name, "ModelName": "m", "InstanceType": "ml.g5.xlarge", "InitialInstanceCount": 1}
        for name in ("blue", "green")
    ]
    sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=variants)
    sagemaker.create_endpoint(EndpointName="plain", EndpointConfigName="c")
    answer = runtime.invoke_endpoint(EndpointName="plain", TargetVariant="green", Body=body(QUESTION))
    assert answer["InvokedProductionVariant"] == "green"
    assert refused(runtime.invoke_endpoint, EndpointName="plain", TargetVariant="red", Body=b"") == (
        "ValidationError",
        400,
        "Variant red of endpoint plain not found.",
    )


NEEDS_COMPONENT = (
    "Inference Component Name header is required for endpoints to which you plan to deploy inference "
    "components. Please include Inference Component Name header or consider using SageMaker models."
)
NO_CAPACITY = (
    "Inference Component has no capacity to process this request. ApplicationAutoScaling may be in-progress "
    "(if configured) or try to increase the capacity by invoking UpdateInferenceComponentRuntimeConfig API."
)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"EndpointName": "missing"}, "Endpoint missing of account 000000000000 not found."),
        ({"EndpointName": "ep"}, NEEDS_COMPONENT),
        (
            {"EndpointName": "ep", "InferenceComponentName": "other"},
            "Inference Component other not found on endpoint ep of account 000000000000.",
        ),
        ({**TARGET, "TargetVariant": "other"}, "Inference Component ic is not hosted by variant other."),
    ],
)
def test_unknown_targets(runtime: Any, target: dict[str, str], message: str) -> None:
    for call in (runtime.invoke_endpoint, runtime.invoke_endpoint_with_response_stream):
        assert refused(call, **target, Body=b"{}") == ("ValidationError", 400, message)


def test_an_endpoint_that_is_being_created_does_not_answer(start_cloud: CloudFactory) -> None:
    cloud = start_cloud(delays=Delays(endpoint_seconds=0, inference_component_seconds=60))
    create_endpoint(cloud.client("sagemaker"))
    code, _, message = refused(cloud.client("sagemaker-runtime").invoke_endpoint, **TARGET, Body=b"{}")
    assert (code, message) == (
        "ValidationError",
        "Inference Component ic is not ready yet: its status is Creating.",
    )


def test_no_capacity_at_zero_copies(cloud: Cloud, runtime: Any) -> None:
    sagemaker = cloud.client("sagemaker")
    sagemaker.update_inference_component_runtime_config(
        InferenceComponentName="ic", DesiredRuntimeConfig={"CopyCount": 0}
    )
    for call in (runtime.invoke_endpoint, runtime.invoke_endpoint_with_response_stream):
        assert refused(call, **TARGET, Body=body(QUESTION)) == ("ValidationError", 400, NO_CAPACITY)
    load = urllib3.request("GET", f"{cloud.url}/_local/load").json()
    assert load["inference-component/ic"]["no_capacity_failures"] == 2


def test_a_model_error_carries_the_containers_answer(runtime: Any) -> None:
    for call in (runtime.invoke_endpoint, runtime.invoke_endpoint_with_response_stream):
        with pytest.raises(ClientError) as caught:
            call(**TARGET, Body=b'{"messages":[]}')
        response = details(caught)
        assert response["Error"]["Code"] == "ModelError"
        assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
        assert response["OriginalStatusCode"] == 400
        assert json.loads(response["OriginalMessage"])["error"]["type"] == "BadRequestError"
        assert response["LogStreamArn"].endswith("log-group:/aws/sagemaker/Endpoints/ep")


def test_too_long_for_the_model(cloud: Cloud) -> None:
    create_endpoint(cloud.client("sagemaker"), {"SM_VLLM_MAX_MODEL_LEN": "20"})
    with pytest.raises(ClientError) as caught:
        cloud.client("sagemaker-runtime").invoke_endpoint(**TARGET, Body=body(GROUNDED))
    message = json.loads(details(caught)["OriginalMessage"])["error"]["message"]
    assert message.startswith("This model's maximum context length is 20 tokens. However, your request has ")


def test_a_body_of_more_than_6_mib_is_refused(runtime: Any) -> None:
    code, status, message = refused(runtime.invoke_endpoint, **TARGET, Body=b" " * (6 * 1024 * 1024 + 1))
    assert (code, status, message) == ("413", 413, "Request Entity Too Large")


@pytest.mark.parametrize(
    ("kind", "code", "status"),
    [
        ("throttle", "ThrottlingException", 400),
        ("not_ready", "ModelNotReadyException", 429),
        ("service_unavailable", "ServiceUnavailable", 503),
        ("internal_failure", "InternalFailure", 500),
        ("model_error", "ModelError", 424),
    ],
)
def test_ordered_errors_come_as_often_as_ordered(
    cloud: Cloud, runtime: Any, kind: str, code: str, status: int
) -> None:
    order_fault(cloud, kind=kind, endpoint="ep", times=2)
    assert refused(runtime.invoke_endpoint, **TARGET, Body=body(QUESTION))[:2] == (code, status)
    assert refused(runtime.invoke_endpoint_with_response_stream, **TARGET, Body=body(QUESTION))[:2] == (
        code,
        status,
    )
    assert runtime.invoke_endpoint(**TARGET, Body=body(QUESTION))["Body"].read()


def test_faults_of_other_endpoints_wait(cloud: Cloud, runtime: Any) -> None:
    order_fault(cloud, kind="throttle", endpoint="other")
    assert runtime.invoke_endpoint(**TARGET, Body=body(QUESTION))["Body"].read()
    assert len(urllib3.request("GET", f"{cloud.url}/_local/faults").json()["faults"]) == 1
    assert urllib3.request("DELETE", f"{cloud.url}/_local/faults").json() == {"faults": []}


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ({"kind": "explode"}, "kind is 'explode': expected one of model_error, throttle"),
        ({"knid": "stall"}, "unknown knid: expected kind, and any of endpoint, times"),
        ({}, "kind is missing: expected kind"),
        ({"kind": "stall", "times": 0}, "times is 0: expected 1 or more"),
        ({"kind": "break_stream", "error": "Boom"}, "error is 'Boom': expected ModelStreamError or"),
    ],
)
def test_impossible_orders_are_refused(cloud: Cloud, order: dict[str, Any], message: str) -> None:
    answer = urllib3.request("POST", f"{cloud.url}/_local/faults", json=order)
    assert answer.status == 400
    assert message in answer.json()["Message"]


@pytest.mark.parametrize(
    ("error", "fields"),
    [
        ("ModelStreamError", {"message": "gone", "error_code": "StreamBroken"}),
        ("InternalStreamFailure", {"message": "gone"}),
    ],
)
def test_a_stream_that_breaks(cloud: Cloud, runtime: Any, error: str, fields: dict[str, str]) -> None:
    order_fault(cloud, kind="break_stream", after_parts=3, error=error, **fields)
    answer = runtime.invoke_endpoint_with_response_stream(**TARGET, Body=body(QUESTION, stream=True))
    received: list[bytes] = []
    with pytest.raises(EventStreamError) as caught:
        received += [event["PayloadPart"]["Bytes"] for event in answer["Body"]]
    assert caught.value.response["Error"]["Code"] == error
    assert caught.value.response["Error"]["Message"] == "gone"


def test_a_stream_whose_connection_is_cut(cloud: Cloud, runtime: Any) -> None:
    order_fault(cloud, kind="disconnect_stream", after_parts=2)
    answer = runtime.invoke_endpoint_with_response_stream(**TARGET, Body=body(QUESTION, stream=True))
    events = iter(answer["Body"])
    assert [len(next(events)["PayloadPart"]["Bytes"]) > 0 for _ in range(2)] == [True, True]
    with pytest.raises(ProtocolError):
        next(events)


def test_a_stalled_model_starts_late(cloud: Cloud, runtime: Any) -> None:
    order_fault(cloud, kind="stall", seconds=0.3)
    start = time.monotonic()
    runtime.invoke_endpoint(**TARGET, Body=body(QUESTION))
    assert time.monotonic() - start >= 0.3


def test_a_stalled_stream_pauses(cloud: Cloud, runtime: Any) -> None:
    order_fault(cloud, kind="stall_stream", after_parts=2, seconds=0.3)
    start = time.monotonic()
    answer = runtime.invoke_endpoint_with_response_stream(**TARGET, Body=body(QUESTION, stream=True))
    assert text_of(b"".join(parts(answer)))
    assert time.monotonic() - start >= 0.3


def test_an_answer_that_takes_too_long_is_a_model_error(start_cloud: CloudFactory) -> None:
    cloud = start_cloud(runtime_options=RuntimeOptions(unstreamed_limit_seconds=0.1))
    create_endpoint(cloud.client("sagemaker"))
    order_fault(cloud, kind="stall", seconds=5)
    with pytest.raises(ClientError) as caught:
        cloud.client("sagemaker-runtime").invoke_endpoint(**TARGET, Body=body(QUESTION))
    assert details(caught)["OriginalStatusCode"] == 0
    assert "Your invocation timed out while waiting for a response" in str(caught.value)


def test_a_stream_that_takes_too_long_ends_with_an_error(start_cloud: CloudFactory) -> None:
    cloud = start_cloud(runtime_options=RuntimeOptions(stream_limit_seconds=0.2))
    create_endpoint(cloud.client("sagemaker"))
    order_fault(cloud, kind="stall_stream", seconds=5)
    runtime = cloud.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint_with_response_stream(**TARGET, Body=body(QUESTION, stream=True))
    with pytest.raises(EventStreamError, match="The model took too long"):
        list(answer["Body"])


def invoke_at_once(cloud: Cloud, count: int) -> float:
    """Seconds that `count` parallel requests take together."""
    clients = [cloud.client("sagemaker-runtime") for _ in range(count)]
    with ThreadPoolExecutor(count) as pool:
        start = time.monotonic()
        list(pool.map(lambda client: client.invoke_endpoint(**TARGET, Body=body(QUESTION)), clients))
        return time.monotonic() - start


def test_a_copy_serves_only_so_many_at_once(start_cloud: CloudFactory) -> None:
    """Four requests of 0.3 s: two rounds on one copy of two places, one round on two such copies."""
    cloud = start_cloud(model=ModelOptions(time_to_first_token_ms=300, inter_token_latency_ms=0))
    sagemaker = cloud.client("sagemaker")
    create_endpoint(sagemaker, {"SM_VLLM_MAX_NUM_SEQS": "2"}, copies=1)
    one_copy = invoke_at_once(cloud, 4)
    sagemaker.update_inference_component_runtime_config(
        InferenceComponentName="ic", DesiredRuntimeConfig={"CopyCount": 2}
    )
    two_copies = invoke_at_once(cloud, 4)
    assert one_copy >= 0.6
    assert 0.3 <= two_copies < one_copy


def test_a_client_that_leaves_frees_its_place(start_cloud: CloudFactory) -> None:
    cloud = start_cloud(model=ModelOptions(time_to_first_token_ms=0, inter_token_latency_ms=1000))
    create_endpoint(cloud.client("sagemaker"), {"SM_VLLM_MAX_NUM_SEQS": "1"})
    runtime = cloud.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint_with_response_stream(**TARGET, Body=body(QUESTION, stream=True))
    next(iter(answer["Body"]))
    answer["Body"].close()
    deadline = time.monotonic() + 5
    while cloud.services.runtime.pools["inference-component/ic"].outstanding != [0]:
        assert time.monotonic() < deadline, "the copy still works for a client that left"
        time.sleep(0.01)
