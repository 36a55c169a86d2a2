"""Functions can do what their roles allow, and no more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import WaiterError


def call(cloud: Any, service: str, method: str, path: str, body: Any = "", **headers: str) -> tuple[int, str]:
    """An AWS call that the handler makes with the credentials of its role: status and text."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    text = body if isinstance(body, str) else json.dumps(body)
    request = {"service": service, "method": method, "path": path, "body": text, "headers": fields}
    answer = cloud.invoke(cloud.outputs["Handler"], {"action": "call", "request": request})
    return answer["status"], answer["text"]


@contextmanager
def granted(cloud: Any, *actions: str, on: str = "*") -> Iterator[None]:
    """The handler's role with one more policy."""
    iam, role = cloud.client("iam"), cloud.outputs["HandlerRole"]
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": on}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName=role, PolicyName="more", PolicyDocument=document)
    yield
    iam.delete_role_policy(RoleName=role, PolicyName="more")


def query(cloud: Any, **more: Any) -> tuple[int, str]:
    """A query of the stack's vector index."""
    fields = {"indexArn": cloud.outputs["Index"], "topK": 1, "queryVector": {"float32": [1, 0]}, **more}
    return call(cloud, "s3vectors", "POST", "/QueryVectors", fields)


def test_an_object_where_the_role_may_write(cloud: Any) -> None:
    """The bucket's policy insists on TLS, which loopback stands for."""
    status, _ = call(cloud, "s3", "PUT", f"/{cloud.outputs['Bucket']}/allowed/a.txt", "text")
    assert status == 200


def test_an_object_elsewhere_is_denied(cloud: Any) -> None:
    bucket = cloud.outputs["Bucket"]
    for method, path in (("PUT", "elsewhere/a.txt"), ("GET", "allowed/a.txt"), ("DELETE", "allowed/a.txt")):
        status, text = call(cloud, "s3", method, f"/{bucket}/{path}")
        assert status == 403
        assert "<Code>AccessDenied</Code>" in text


def test_denials_name_principal_action_and_reason(cloud: Any) -> None:
    _, text = call(cloud, "s3", "GET", f"/{cloud.outputs['Bucket']}/allowed/a.txt")
    role, function = cloud.outputs["HandlerRole"], cloud.outputs["Handler"]
    assert f"User: arn:aws:sts::000000000000:assumed-role/{role}/{function} is not authorized" in text
    assert "to perform: s3:GetObject" in text


def test_an_encrypted_bucket_needs_the_key_too(cloud: Any) -> None:
    path = f"/{cloud.outputs['Sealed']}/a.txt"
    status, text = call(cloud, "s3", "PUT", path, "text")
    assert (status, "kms:GenerateDataKey" in text) == (403, True)
    with granted(cloud, "kms:GenerateDataKey", on=cloud.outputs["Key"]):
        assert call(cloud, "s3", "PUT", path, "text")[0] == 200


def test_a_query_and_its_metadata_are_two_permissions(cloud: Any) -> None:
    """As on AWS, metadata or a filter needs s3vectors:GetVectors as well."""
    assert query(cloud)[0] == 200
    for more in ({"returnMetadata": True}, {"filter": {"kind": "note"}}):
        status, text = query(cloud, **more)
        assert status == 403
        denied = json.loads(text)
        assert denied["__type"] == "AccessDeniedException"
        assert f"s3vectors:GetVectors on resource: {cloud.outputs['Index']} because" in denied["message"]
    with granted(cloud, "s3vectors:GetVectors", on=cloud.outputs["Index"]):
        assert query(cloud, returnMetadata=True)[0] == 200


def test_writing_vectors_is_denied(cloud: Any) -> None:
    fields = {"indexArn": cloud.outputs["Index"], "vectors": []}
    status, text = call(cloud, "s3vectors", "POST", "/PutVectors", fields)
    assert (status, "s3vectors:PutVectors" in text) == (403, True)


def test_only_the_roles_own_endpoint(cloud: Any) -> None:
    """An allowed call reaches the service, which has no such endpoint."""
    status, text = call(cloud, "sagemaker", "POST", "/endpoints/own/invocations", "{}")
    assert (status, "AccessDenied" in text) == (400, False)
    status, text = call(cloud, "sagemaker", "POST", "/endpoints/other/invocations", "{}")
    assert (status, "endpoint/other because no identity-based policy allows" in text) == (403, True)


def test_an_inference_component_is_a_permission_of_its_own(cloud: Any) -> None:
    component = {"x_amzn_sagemaker_inference_component": "model"}
    status, text = call(cloud, "sagemaker", "POST", "/endpoints/own/invocations", "{}", **component)
    assert (status, "inference-component/model because" in text) == (403, True)


def test_control_plane_calls_are_denied(cloud: Any) -> None:
    target = {"x_amz_target": "SageMaker.ListEndpoints", "content_type": "application/x-amz-json-1.1"}
    status, text = call(cloud, "sagemaker", "POST", "/", "{}", **target)
    assert (status, "sagemaker:ListEndpoints" in text) == (403, True)


def test_a_wrong_session_token_is_refused(cloud: Any) -> None:
    environment = cloud.invoke(cloud.outputs["Handler"], {})["environment"]
    client = boto3.client(
        "s3vectors",
        endpoint_url=cloud.options.url,
        region_name="us-east-1",
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        aws_session_token="wrong",
    )
    with pytest.raises(client.exceptions.ClientError, match="The security token included in the request"):
        client.query_vectors(indexArn=cloud.outputs["Index"], topK=1, queryVector={"float32": [1, 0]})


@pytest.mark.parametrize(
    ("method", "key", "status"),
    [("PUT", "allowed/presigned.txt", 200), ("PUT", "elsewhere/p.txt", 403), ("GET", "allowed/p.txt", 403)],
)
def test_a_presigned_address_has_the_rights_of_the_role(
    cloud: Any, method: str, key: str, status: int
) -> None:
    environment = cloud.invoke(cloud.outputs["Handler"], {})["environment"]
    client = boto3.client(
        "s3",
        endpoint_url=cloud.options.url,
        region_name="us-east-1",
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=environment["AWS_SESSION_TOKEN"],
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
    wanted = {"Bucket": cloud.outputs["Bucket"], "Key": key}
    address = client.generate_presigned_url(f"{method.lower()}_object", wanted, ExpiresIn=60)
    assert httpx.request(method, address, content=b"text").status_code == status
    if status == 200:
        stored = cloud.client("s3").get_object(**wanted)["Body"].read()
        assert stored == b"text"
        changed = address.replace("X-Amz-Signature=", "X-Amz-Signature=0")
        assert httpx.request(method, changed, content=b"other").status_code == 403


def test_callers_other_than_functions_are_not_checked(cloud: Any) -> None:
    cloud.client("s3").put_object(Bucket=cloud.outputs["Bucket"], Key="elsewhere/b.txt", Body=b"text")


def test_an_event_source_needs_a_role_that_may_read_it(cloud: Any) -> None:
    """CloudFormation refuses the mapping with AWS's words."""
    stacks = cloud.client("cloudformation")
    properties = {"FunctionName": cloud.outputs["Handler"], "EventSourceArn": cloud.outputs["Queue"]}
    mapping = {"Type": "AWS::Lambda::EventSourceMapping", "Properties": properties}
    stacks.create_stack(StackName="mapping", TemplateBody=json.dumps({"Resources": {"Mapping": mapping}}))
    with pytest.raises(WaiterError, match="StackCreateComplete failed"):
        stacks.get_waiter("stack_create_complete").wait(
            StackName="mapping", WaiterConfig={"Delay": 1, "MaxAttempts": 10}
        )
    events = stacks.describe_stack_events(StackName="mapping")["StackEvents"]
    reasons = {event.get("ResourceStatusReason") for event in events}
    expected = "The provided execution role does not have permissions to call ReceiveMessage on SQS"
    assert any(expected in (reason or "") for reason in reasons)
