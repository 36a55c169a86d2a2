"""Our signatures are those of botocore."""

from __future__ import annotations

from datetime import UTC, datetime
from unittest.mock import patch
from urllib.parse import urlsplit

import botocore.auth
import botocore.session
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given
from hypothesis import strategies as st
from orchestrator.aws.credentials import Credentials, NoCredentialsError
from orchestrator.aws.endpoints import endpoint_url
from orchestrator.aws.signing import sign


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
    ],
)
def test_botocore_finds_the_services_at_the_same_place(
    region: str, service: str, theirs: str, operation: str, arguments: dict[str, object]
) -> None:
    """The host of a request that is about to be sent: a client's `endpoint_url` knows less than its rules."""
    client = botocore.session.get_session().create_client(
        theirs, region_name=region, aws_access_key_id="a", aws_secret_access_key="b"
    )
    sent: list[str] = []

    def keep(request: AWSRequest, **_: object) -> None:
        sent.append(str(request.url))
        raise SentEnoughError

    client.meta.events.register("before-send.*.*", keep)
    with pytest.raises(SentEnoughError):
        getattr(client, operation)(**arguments)
    [url] = sent
    assert f"https://{urlsplit(url).netloc}" == endpoint_url(service, region, {})


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
