"""Our signatures are those of botocore."""

from __future__ import annotations

from datetime import UTC, datetime
from unittest.mock import patch
from urllib.parse import parse_qs, quote, urlsplit

import botocore.auth
import botocore.session
import pytest
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given
from hypothesis import strategies as st
from orchestrator.aws.credentials import Credentials, NoCredentialsError
from orchestrator.aws.endpoints import SERVICES, bucket_url, endpoint_url
from orchestrator.aws.signing import presign, sign


class SentEnoughError(Exception):
    """Stops a request before it leaves."""


NOW = datetime(2026, 11, 22, 13, 5, 9, tzinfo=UTC)


@given(
    path=st.from_regex(r"(/[A-Za-z0-9][A-Za-z0-9._~-]{0,20}){1,3}", fullmatch=True),
    body=st.binary(max_size=100),
    token=st.none() | st.text("abcXYZ0189/+=", min_size=1),
    service=st.sampled_from(["sagemaker", "s3vectors"]),
    component=st.from_regex(r"[A-Za-z0-9-]{1,30}", fullmatch=True),
)
def test_botocore_signs_the_same(
    path: str, body: bytes, token: str | None, service: str, component: str
) -> None:
    headers = {"content-type": "application/json", "X-Amzn-SageMaker-Inference-Component": component}
    ours = sign(
        method="POST",
        host="127.0.0.1:4566",
        path=path,
        headers=headers,
        body=body,
        credentials=Credentials("AKID", "secret", token),
        region="eu-west-1",
        service=service,
        now=NOW,
    )
    request = AWSRequest("POST", f"http://127.0.0.1:4566{path}", headers, body)
    with patch.object(botocore.auth, "get_current_datetime", return_value=NOW.replace(tzinfo=None)):
        botocore.auth.SigV4Auth(BotoCredentials("AKID", "secret", token), service, "eu-west-1").add_auth(
            request
        )
    theirs = {name.lower(): value for name, value in request.headers.items()}
    assert ours.pop("host") == "127.0.0.1:4566"
    assert ours == theirs


@given(
    method=st.sampled_from(["GET", "PUT", "HEAD", "DELETE"]),
    key=st.text(min_size=1, max_size=20).filter(lambda text: text.strip("./") == text),
    body=st.binary(max_size=100),
    token=st.none() | st.text("abcXYZ0189/+=", min_size=1),
)
def test_botocore_signs_the_same_for_objects(method: str, key: str, body: bytes, token: str | None) -> None:
    path = f"/bucket/{quote(key, safe='/-_.~')}"
    ours = sign(
        method=method,
        host="127.0.0.1:4566",
        path=path,
        headers={"content-type": "application/json"},
        body=body,
        credentials=Credentials("AKID", "secret", token),
        region="eu-west-1",
        service="s3",
        now=NOW,
    )
    request = AWSRequest(method, f"http://127.0.0.1:4566{path}", {"content-type": "application/json"}, body)
    with patch.object(botocore.auth, "get_current_datetime", return_value=NOW.replace(tzinfo=None)):
        botocore.auth.S3SigV4Auth(BotoCredentials("AKID", "secret", token), "s3", "eu-west-1").add_auth(
            request
        )
    theirs = {name.lower(): value for name, value in request.headers.items()}
    assert ours.pop("host") == "127.0.0.1:4566"
    assert ours == theirs


@pytest.mark.parametrize("token", [None, "t/+="])
@pytest.mark.parametrize("headers", [{}, {"content-length": "17"}])
def test_botocore_presigns_the_same(token: str | None, headers: dict[str, str]) -> None:
    path = "/jobs/files/ada/a%20%C3%A4.jsonl"
    ours = presign(
        method="PUT",
        host="exchange.s3.eu-west-1.amazonaws.com",
        path=path,
        headers=headers,
        credentials=Credentials("AKID", "secret", token),
        region="eu-west-1",
        service="s3",
        now=NOW,
        seconds=600,
    )
    request = AWSRequest("PUT", f"https://exchange.s3.eu-west-1.amazonaws.com{path}", dict(headers))
    with patch.object(botocore.auth, "get_current_datetime", return_value=NOW.replace(tzinfo=None)):
        botocore.auth.S3SigV4QueryAuth(
            BotoCredentials("AKID", "secret", token), "s3", "eu-west-1", expires=600
        ).add_auth(request)
    assert parse_qs(ours) == parse_qs(urlsplit(str(request.url)).query)


def test_credentials_come_from_the_environment() -> None:
    variables = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_SESSION_TOKEN": "c"}
    assert Credentials.read(variables) == Credentials("a", "b", "c")
    assert Credentials.read({**variables, "AWS_SESSION_TOKEN": ""}) == Credentials("a", "b", None)


def test_credentials_are_not_shown() -> None:
    assert repr(Credentials("a", "b", "c")) == "Credentials(access_key_id='a')"


@pytest.mark.parametrize("missing", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_missing_credentials_are_named(missing: str) -> None:
    variables = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    del variables[missing]
    with pytest.raises(NoCredentialsError, match=f"^{missing} is not set; requests to AWS cannot be signed$"):
        Credentials.read(variables)


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "us-gov-west-1", "cn-north-1"])
@pytest.mark.parametrize(
    ("service", "theirs", "operation", "arguments"),
    [
        ("sagemaker_runtime", "sagemaker-runtime", "invoke_endpoint", {"EndpointName": "e", "Body": b""}),
        ("s3vectors", "s3vectors", "list_vector_buckets", {}),
        ("dynamodb", "dynamodb", "list_tables", {}),
        ("sagemaker", "sagemaker", "stop_transform_job", {"TransformJobName": "t"}),
        ("sfn", "stepfunctions", "list_state_machines", {}),
        ("sqs", "sqs", "list_queues", {}),
    ],
)
def test_botocore_finds_the_services_at_the_same_place(
    region: str, service: str, theirs: str, operation: str, arguments: dict[str, object]
) -> None:
    """The host of a request that is about to be sent: a client's `endpoint_url` knows less than its rules."""
    assert asked_by_botocore(theirs, region, operation, arguments) == endpoint_url(service, region, {})
    assert service in SERVICES


def asked_by_botocore(service: str, region: str, operation: str, arguments: dict[str, object]) -> str:
    client = botocore.session.get_session().create_client(
        service,
        region_name=region,
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=Config(s3={"us_east_1_regional_endpoint": "regional"}),
    )
    sent: list[str] = []

    def keep(request: AWSRequest, **_: object) -> None:
        sent.append(str(request.url))
        raise SentEnoughError

    client.meta.events.register("before-send.*.*", keep)
    with pytest.raises(SentEnoughError):
        getattr(client, operation)(**arguments)
    [url] = sent
    return f"https://{urlsplit(url).netloc}"


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "cn-north-1"])
def test_a_bucket_has_its_own_host(region: str) -> None:
    theirs = asked_by_botocore("s3", region, "get_object", {"Bucket": "exchange", "Key": "a"})
    assert bucket_url("exchange", region, {}) == theirs


def test_a_bucket_is_a_path_below_a_configured_address() -> None:
    variables = {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566/"}
    assert bucket_url("exchange", "us-east-1", variables) == "http://127.0.0.1:4566/exchange"
    variables["AWS_ENDPOINT_URL_S3"] = "http://s3"
    assert bucket_url("exchange", "us-east-1", variables) == "http://s3/exchange"


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:4566/"}, "http://127.0.0.1:4566"),
        ({"AWS_ENDPOINT_URL": "http://a", "AWS_ENDPOINT_URL_S3VECTORS": "http://b"}, "http://b"),
        ({"AWS_ENDPOINT_URL": "http://a", "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": "http://b"}, "http://a"),
    ],
)
def test_the_standard_variables_move_a_service(variables: dict[str, str], url: str) -> None:
    assert endpoint_url("s3vectors", "us-east-1", variables) == url
