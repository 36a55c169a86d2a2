"""One local cloud for all tests of the folder, with one stack: functions, an API, keys, a bucket."""

from __future__ import annotations

import io
import json
import socket
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.local_host.template import template
from twin.local import lifecycle
from twin.local.options import CloudOptions

HERE = Path(__file__).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class LocalCloud:
    """A running cloud and clients for it."""

    options: CloudOptions
    outputs: dict[str, str] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """A boto3 client with the account's credentials, which are not checked."""
        return boto3.client(
            service,
            endpoint_url=self.options.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"max_attempts": 0}, read_timeout=60),
        )

    def invoke(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        """The payload of an invocation, with `FunctionError` when there was one."""
        response = self.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
        payload: dict[str, Any] = json.loads(response["Payload"].read())
        return payload | {key: response[key] for key in ("FunctionError",) if key in response}

    @property
    def api(self) -> str:
        """Base URL of the stack's API."""
        return f"{self.options.url}/restapis/{self.outputs['Api']}/v/_user_request_"

    def key(self, name: str) -> str:
        """An API key's value."""
        keys = self.client("apigateway").get_api_keys(includeValues=True)["items"]
        return str(next(key["value"] for key in keys if key["name"] == name))


def zip_folder(folder: Path, changes: dict[str, str] | None = None) -> bytes:
    """A deployment package of a folder, executable bits kept; `changes` replaces text in all files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(folder.iterdir()):
            if not path.is_file():
                continue
            text = path.read_text(encoding="utf-8")
            for old, new in (changes or {}).items():
                text = text.replace(old, new)
            member = zipfile.ZipInfo(path.name)
            member.external_attr = path.stat().st_mode << 16
            archive.writestr(member, text)
    return buffer.getvalue()


def zip_texts(files: dict[str, str]) -> bytes:
    """A ZIP archive of texts by path."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def package() -> Callable[..., bytes]:
    """Deployment packages of the functions in tests/local_host/functions."""

    def build(name: str, changes: dict[str, str] | None = None) -> bytes:
        return zip_folder(HERE / "functions" / name, changes)

    return build


@pytest.fixture
def fresh_options(tmp_path: Path) -> Iterator[CloudOptions]:
    """Options of a cloud of a test's own; stopped afterwards."""
    options = CloudOptions(tmp_path / "state", free_port())
    yield options
    lifecycle.stop(options.state_dir)


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory, package: Callable[..., bytes]) -> Iterator[LocalCloud]:
    options = CloudOptions(tmp_path_factory.mktemp("cloud") / "state", free_port())
    lifecycle.start(options)
    try:
        started = LocalCloud(options)
        objects = started.client("s3")
        objects.create_bucket(Bucket="code")
        for name in ("handler", "authorizer", "web"):
            objects.put_object(Bucket="code", Key=f"{name}.zip", Body=package(name))
        layer = {"python/inlayer.py": "NAME = 'layer'\n"}
        objects.put_object(Bucket="code", Key="layer.zip", Body=zip_texts(layer))
        yield LocalCloud(options, deploy(started, "test", template()))
    finally:
        lifecycle.stop(options.state_dir)


def deploy(cloud: LocalCloud, name: str, content: dict[str, Any]) -> dict[str, str]:
    """Create a stack and return its outputs."""
    stacks = cloud.client("cloudformation")
    stacks.create_stack(StackName=name, TemplateBody=json.dumps(content), Capabilities=["CAPABILITY_IAM"])
    waiter = stacks.get_waiter("stack_create_complete")
    waiter.wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    outputs = stacks.describe_stacks(StackName=name)["Stacks"][0]["Outputs"]
    return {output["OutputKey"]: output["OutputValue"] for output in outputs}


@pytest.fixture
def client_of() -> Callable[[CloudOptions, str], Any]:
    """boto3 clients for a cloud of a test's own."""
    return lambda options, service: LocalCloud(options).client(service)
