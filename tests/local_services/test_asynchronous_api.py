"""Asynchronous endpoints through unmodified boto3: configuration, invocation, notification."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3
from botocore.exceptions import ConnectionClosedError

from tests.local_services.asynchronous import BODY, ERROR, ROLE, SUCCESS, config
from tests.local_services.conftest import (
    FAST_MODEL,
    Cloud,
    create_endpoint,
    refused,
    route_by_signature,
    served,
)
from tests.local_services.fakes import FakeObjects, FakeTopics, collaborators
from twin.local.services import Services
from twin.local.services.sagemaker import AnyRole
from twin.local.services.wire import Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class AsyncCloud:
    """Running services among fakes."""

    cloud: Cloud
    objects: FakeObjects
    topics: FakeTopics

    def client(self, name: str) -> Any:
        return self.cloud.client(name)

    def invoke(self, **parameters: Any) -> dict[str, Any]:
        """InvokeEndpointAsync on `ep`, with an inline body unless there is an InputLocation."""
        given = parameters if "InputLocation" in parameters else {"Body": BODY, **parameters}
        answer: dict[str, Any] = self.client("sagemaker-runtime").invoke_endpoint_async(
            EndpointName="ep", **given
        )
        return answer

    def message(self, inference_id: str) -> Any:
        """The first notification about a request, awaited."""
        deadline = time.monotonic() + 10
        while not self.topics.of(inference_id):
            assert time.monotonic() < deadline, f"no notification about {inference_id}"
            time.sleep(0.005)
        return self.topics.of(inference_id)[0]


def deploy(cloud: Any, **changes: Any) -> None:
    """The endpoint `ep`."""
    sagemaker = cloud.client("sagemaker")
    sagemaker.create_model(ModelName="model", PrimaryContainer={"Image": "vllm"}, ExecutionRoleArn=ROLE)
    sagemaker.create_endpoint_config(**config(**changes))
    sagemaker.create_endpoint(EndpointName="ep", EndpointConfigName="config")


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[AsyncCloud]:
    """Services without an endpoint."""
    around = collaborators("exchange")
    services = Services(tmp_path / "state", FAST_MODEL, roles=AnyRole(), collaborators=around)
    app = route_by_signature(services)

    async def living(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        for event, work in (("startup", services.startup), ("shutdown", services.shutdown)):
            assert (await receive())["type"] == f"lifespan.{event}"
            await work()
            await send({"type": f"lifespan.{event}.complete"})

    with served(living, lifespan="on") as url:
        objects, topics = around.objects, around.topics
        assert isinstance(objects, FakeObjects)
        assert isinstance(topics, FakeTopics)
        yield AsyncCloud(Cloud(services, url), objects, topics)


@pytest.fixture
def ready(bare: AsyncCloud) -> AsyncCloud:
    """Services with the endpoint `ep`."""
    deploy(bare)
    return bare


def test_the_configuration_is_described(ready: AsyncCloud) -> None:
    sagemaker = ready.client("sagemaker")
    expected = config()["AsyncInferenceConfig"]
    assert sagemaker.describe_endpoint_config(EndpointConfigName="config")["AsyncInferenceConfig"] == expected
    assert sagemaker.describe_endpoint(EndpointName="ep")["AsyncInferenceConfig"] == expected


def test_a_request_is_accepted_with_its_locations(ready: AsyncCloud) -> None:
    answer = ready.invoke(InferenceId="mine")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert answer["InferenceId"] == "mine"
    assert answer["OutputLocation"].startswith("s3://exchange/out/")
    assert answer["OutputLocation"].endswith(".out")
    stem = answer["OutputLocation"].removeprefix("s3://exchange/out/").removesuffix(".out")
    assert answer["FailureLocation"] == f"s3://exchange/failed/{stem}-error.out"
    assert ready.invoke()["InferenceId"] not in ("", "mine")


def test_a_request_may_name_its_output(ready: AsyncCloud) -> None:
    answer = ready.invoke(InferenceId="named", Filename="answer.json", S3OutputPathExtension="owner/resp")
    assert answer["OutputLocation"] == "s3://exchange/out/owner/resp/answer.json"
    assert answer["FailureLocation"] == "s3://exchange/failed/answer-error.json"
    ready.message("named")
    assert ("exchange", "out/owner/resp/answer.json") in ready.objects.stored


def test_the_output_is_the_containers_body(ready: AsyncCloud) -> None:
    answer = ready.invoke(InferenceId="id", ContentType="application/json", Accept="application/json")
    message = ready.message("id")
    key = answer["OutputLocation"].removeprefix("s3://exchange/")
    completion = json.loads(ready.objects.stored["exchange", key])
    assert completion["object"] == "chat.completion"
    assert ready.objects.content_types["exchange", key] == "application/json"
    received, event = message.pop("receivedTime"), message.pop("eventTime")
    assert received <= event
    assert message == {
        "awsRegion": "us-east-1",
        "invocationStatus": "Completed",
        "requestParameters": {
            "accept": "application/json",
            "contentType": "application/json",
            "endpointName": "ep",
        },
        "responseParameters": {
            "contentType": "application/json",
            "outputLocation": answer["OutputLocation"],
        },
        "inferenceId": "id",
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }
    assert ready.topics.published[0][0] == SUCCESS


def test_a_refusal_of_the_container_is_a_failure(ready: AsyncCloud) -> None:
    answer = ready.invoke(InferenceId="id", Body=b'{"messages":[]}')
    message = ready.message("id")
    assert ready.topics.published[0][0] == ERROR
    assert message["invocationStatus"] == "Failed"
    assert message["failureReason"] == (
        "ClientError: Received client error (400) from model. "
        "See the SageMaker Endpoint logs in your account for more information."
    )
    assert "responseParameters" not in message
    key = answer["FailureLocation"].removeprefix("s3://exchange/")
    assert json.loads(ready.objects.stored["exchange", key])["error"]["type"] == "BadRequestError"
    assert ("exchange", answer["OutputLocation"].removeprefix("s3://exchange/")) not in ready.objects.stored


def test_results_are_encrypted_with_the_key_of_the_configuration(bare: AsyncCloud) -> None:
    output = {"S3OutputPath": "s3://exchange/out", "KmsKeyId": "alias/twin"}
    deploy(bare, AsyncInferenceConfig={"OutputConfig": output})
    answer = bare.invoke(InferenceId="id")
    assert "FailureLocation" not in answer
    deadline = time.monotonic() + 10
    while not bare.objects.stored:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert list(bare.objects.kms_keys.values()) == ["alias/twin"]
    assert not bare.topics.published


def test_the_response_may_travel_in_the_notification(bare: AsyncCloud) -> None:
    request = config()
    topics = request["AsyncInferenceConfig"]["OutputConfig"]["NotificationConfig"]
    topics["IncludeInferenceResponseIn"] = ["SUCCESS_NOTIFICATION_TOPIC"]
    deploy(bare, AsyncInferenceConfig=request["AsyncInferenceConfig"])
    bare.invoke(InferenceId="good")
    bare.invoke(InferenceId="bad", Body=b"{}")
    content = bare.message("good")["responseBody"]
    assert content["encoding"] == "BASE64"
    assert json.loads(base64.b64decode(content["content"]))["object"] == "chat.completion"
    assert "responseBody" not in bare.message("bad")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"Body": b""}, "Exactly one of InputLocation and Body must be provided."),
        (
            {"Body": b"x" * 128_001},
            "Body must have length less than or equal to 128000, has 128001.",
        ),
        ({"InputLocation": "s3://exchange"}, "InputLocation names no object: s3://exchange."),
    ],
)
def test_requests_that_are_refused(ready: AsyncCloud, parameters: dict[str, Any], message: str) -> None:
    assert refused(ready.invoke, **parameters) == ("ValidationError", 400, message)


@pytest.mark.parametrize(
    ("header", "value", "message"),
    [
        ("requestttlseconds", "59", "RequestTTLSeconds must be from 60 to 21600 seconds, found 59."),
        ("requestttlseconds", "x", "RequestTTLSeconds must be from 60 to 21600 seconds, found x."),
        (
            "invocationtimeoutseconds",
            "3601",
            "InvocationTimeoutSeconds must be from 1 to 3600 seconds, found 3601.",
        ),
        ("filename", "a.b.c", "Value 'a.b.c' of header x-amzn-sagemaker-filename is invalid"),
        ("s3outputpathextension", "s3:x", "Value 's3:x' of header x-amzn-sagemaker-s3outputpathextension"),
        ("inference-id", "x" * 65, "of header x-amzn-sagemaker-inference-id is invalid"),
        ("inputlocation", "exchange/in", "of header x-amzn-sagemaker-inputlocation is invalid"),
    ],
)
def test_headers_that_are_refused(ready: AsyncCloud, header: str, value: str, message: str) -> None:
    """boto3 would refuse these by itself."""
    answer = urllib3.request(
        "POST",
        f"{ready.cloud.url}/endpoints/ep/async-invocations",
        body=b"" if header == "inputlocation" else BODY,
        headers={
            f"x-amzn-sagemaker-{header}": value,
            "authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sagemaker/aws4_request",
        },
    )
    assert answer.status == 400
    assert answer.headers["x-amzn-errortype"] == "ValidationError"
    assert message in answer.json()["Message"]


def test_each_kind_of_endpoint_refuses_the_others_calls(ready: AsyncCloud) -> None:
    runtime = ready.client("sagemaker-runtime")
    message = "Endpoint ep is asynchronous: it takes InvokeEndpointAsync only."
    for call in (runtime.invoke_endpoint, runtime.invoke_endpoint_with_response_stream):
        assert refused(call, EndpointName="ep", Body=BODY) == ("ValidationError", 400, message)
    unknown = "Endpoint other of account 000000000000 not found."
    call = runtime.invoke_endpoint_async
    assert refused(call, EndpointName="other", Body=BODY) == ("ValidationError", 400, unknown)


def test_a_realtime_endpoint_takes_no_asynchronous_request(cloud: Cloud) -> None:
    create_endpoint(cloud.client("sagemaker"))
    call = cloud.client("sagemaker-runtime").invoke_endpoint_async
    code, _, message = refused(call, EndpointName="ep", Body=BODY)
    assert (code, message) == (
        "ValidationError",
        "Endpoint ep is not an asynchronous endpoint: its configuration has no AsyncInferenceConfig.",
    )


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("throttle", "ThrottlingException"),
        ("service_unavailable", "ServiceUnavailable"),
        ("internal_failure", "InternalFailure"),
    ],
)
def test_ordered_refusals(ready: AsyncCloud, kind: str, code: str) -> None:
    urllib3.request("POST", f"{ready.cloud.url}/_local/faults", json={"kind": kind, "endpoint": "ep"})
    assert refused(ready.invoke)[0] == code
    assert ready.invoke()["OutputLocation"]


def test_an_answer_that_is_lost(ready: AsyncCloud) -> None:
    urllib3.request("POST", f"{ready.cloud.url}/_local/faults", json={"kind": "lose_answer"})
    with pytest.raises(ConnectionClosedError):
        ready.invoke(InferenceId="lost")
    assert ready.message("lost")["invocationStatus"] == "Completed"


def test_the_load_shows_the_backlog(ready: AsyncCloud) -> None:
    order = {"kind": "stall", "seconds": 30, "times": 10}
    urllib3.request("POST", f"{ready.cloud.url}/_local/faults", json=order)
    for _ in range(6):
        ready.invoke()
    load = urllib3.request("GET", f"{ready.cloud.url}/_local/load").json()["endpoint/ep/variant/main"]
    assert (load["backlog"], load["running"], load["outstanding_per_copy"]) == (6, 4, [4])


def _several_variants(request: Any) -> None:
    variant = request["ProductionVariants"][0]
    request["ProductionVariants"].append({**variant, "VariantName": "second"})


def _without_model(request: Any) -> None:
    del request["ProductionVariants"][0]["ModelName"]
    request["ExecutionRoleArn"] = ROLE


def _serverless(request: Any) -> None:
    variant = request["ProductionVariants"][0]
    del variant["InstanceType"], variant["InitialInstanceCount"]
    variant["ServerlessConfig"] = {"MemorySizeInMB": 1024, "MaxConcurrency": 1}


def _https(request: Any) -> None:
    request["AsyncInferenceConfig"]["OutputConfig"]["S3OutputPath"] = "https://exchange/out"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_several_variants, "AsyncInferenceConfig needs exactly one production variant"),
        (_without_model, "AsyncInferenceConfig needs a production variant with ModelName."),
        (_serverless, "ServerlessConfig is not supported together with AsyncInferenceConfig."),
        (_https, "S3OutputPath must be an address like s3://bucket/prefix, found https://exchange/out."),
    ],
)
def test_configurations_that_are_refused(
    bare: AsyncCloud, change: Callable[[Any], None], message: str
) -> None:
    sagemaker = bare.client("sagemaker")
    sagemaker.create_model(ModelName="model", PrimaryContainer={"Image": "vllm"}, ExecutionRoleArn=ROLE)
    request = config()
    change(request)
    code, _, text = refused(sagemaker.create_endpoint_config, **request)
    assert code == "ValidationException"
    assert message in text


def test_pools_and_capture_go_with_it(bare: AsyncCloud) -> None:
    request = config()
    variant = request["ProductionVariants"][0]
    del variant["InstanceType"]
    variant["InstancePools"] = [
        {"InstanceType": "ml.g6e.xlarge", "Priority": 1},
        {"InstanceType": "ml.g5.2xlarge", "Priority": 2},
    ]
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 10,
        "DestinationS3Uri": "s3://exchange/capture",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }
    deploy(bare, ProductionVariants=[variant], DataCaptureConfig=capture)
    shown = bare.client("sagemaker").describe_endpoint(EndpointName="ep")
    types = [pool["InstanceType"] for pool in shown["ProductionVariants"][0]["InstancePools"]]
    assert types == ["ml.g6e.xlarge", "ml.g5.2xlarge"]
    assert shown["DataCaptureConfig"] == {
        "EnableCapture": True,
        "CaptureStatus": "Started",
        "CurrentSamplingPercentage": 10,
        "DestinationS3Uri": "s3://exchange/capture",
        "KmsKeyId": "",
    }


def test_only_an_asynchronous_endpoint_goes_to_zero(bare: AsyncCloud) -> None:
    deploy(bare)
    sagemaker = bare.client("sagemaker")
    request = config("plain")
    del request["AsyncInferenceConfig"]
    sagemaker.create_endpoint_config(**request)
    sagemaker.create_endpoint(EndpointName="plain", EndpointConfigName="plain")
    zero = [{"VariantName": "main", "DesiredInstanceCount": 0}]
    change = sagemaker.update_endpoint_weights_and_capacities
    change(EndpointName="ep", DesiredWeightsAndCapacities=zero)
    code, _, message = refused(change, EndpointName="plain", DesiredWeightsAndCapacities=zero)
    assert code == "ValidationException"
    assert message.startswith("DesiredInstanceCount of variant main must be 1 or more: endpoint plain ")
    counts = sagemaker.describe_endpoint(EndpointName="ep")["ProductionVariants"][0]
    assert counts["CurrentInstanceCount"] == 0


CANARY = {
    "Type": "CANARY",
    "WaitIntervalInSeconds": 300,
    "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 50},
}


def _policy(**routing: Any) -> dict[str, Any]:
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {**CANARY, **routing},
            "TerminationWaitInSeconds": 120,
            "MaximumExecutionTimeoutInSeconds": 1800,
        },
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]},
    }


def test_an_update_shifts_traffic_to_a_canary(ready: AsyncCloud) -> None:
    sagemaker = ready.client("sagemaker")
    sagemaker.create_endpoint_config(**config("second"))
    sagemaker.update_endpoint(
        EndpointName="ep",
        EndpointConfigName="second",
        RetainAllVariantProperties=True,
        DeploymentConfig=_policy(),
    )
    shown = sagemaker.describe_endpoint(EndpointName="ep")
    assert shown["LastDeploymentConfig"] == _policy()
    assert shown["EndpointConfigName"] == "second"


@pytest.mark.parametrize(
    ("deployment", "message"),
    [
        (
            _policy(CanarySize={"Type": "CAPACITY_PERCENT", "Value": 51}),
            "CanarySize must be from 1 to 50 percent of the capacity, found 51.",
        ),
        (_policy(Type="ALL_AT_ONCE"), "Traffic routing of type ALL_AT_ONCE takes no CanarySize."),
        (_policy(WaitIntervalInSeconds=3600), "MaximumExecutionTimeoutInSeconds 1800 must be larger than"),
        (
            {
                **_policy(),
                "RollingUpdatePolicy": {
                    "MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 50},
                    "WaitIntervalInSeconds": 0,
                },
            },
            "DeploymentConfig takes one of BlueGreenUpdatePolicy and RollingUpdatePolicy.",
        ),
    ],
)
def test_deployments_that_are_refused(ready: AsyncCloud, deployment: Any, message: str) -> None:
    call = ready.client("sagemaker").update_endpoint
    code, _, text = refused(call, EndpointName="ep", EndpointConfigName="config", DeploymentConfig=deployment)
    assert code == "ValidationException"
    assert message in text
