"""Services with S3 in memory, for tests of transform jobs."""

from __future__ import annotations

import io
import json
import queue
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from tests.local_services.conftest import FAST_MODEL, Cloud, route_by_signature, served
from twin.local.services import ModelOptions, Services
from twin.local.services.asynchronous import Collaborators
from twin.local.services.objects import ObjectsError
from twin.local.services.sagemaker import AnyRole
from twin.local.services.topics import EmulatedAlarms, EmulatedTopics
from twin.local.services.transform import TransformOptions
from twin.local.services.transform.jobs import FINAL

BUCKET = "exchange"
ROLE = "arn:aws:iam::000000000000:role/execution"
FAST_RETRIES = TransformOptions(retry_delay_seconds=0)


class MemoryObjects:
    """S3 with the bucket `exchange`, whose objects are remembered with their types and keys."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.types: dict[str, tuple[str, str | None]] = {}
        self.written: queue.SimpleQueue[str] = queue.SimpleQueue()

    def get(self, bucket: str, key: str) -> bytes | None:
        return self.contents.get(key) if bucket == BUCKET else None

    def open(self, bucket: str, key: str) -> BinaryIO | None:
        content = self.get(bucket, key)
        return None if content is None else io.BytesIO(content)

    def put(self, bucket: str, key: str, body: bytes, content_type: str, kms_key: str | None = None) -> None:
        if bucket != BUCKET:
            raise ObjectsError("S3 refused: NoSuchBucket")
        self.contents[key] = body
        self.types[key] = (content_type, kms_key)
        self.written.put(key)

    def delete(self, bucket: str, key: str) -> None:
        if bucket == BUCKET:
            self.contents.pop(key, None)

    def list(self, bucket: str, prefix: str) -> list[tuple[str, int]]:
        found = {key: len(body) for key, body in self.contents.items() if bucket == BUCKET}
        return sorted((key, size) for key, size in found.items() if key.startswith(prefix))


@dataclass
class TransformCloud:
    """Running services; `statuses` are the transform jobs' as their events tell them."""

    cloud: Cloud
    objects: MemoryObjects
    events: queue.SimpleQueue[tuple[str, Sequence[str], Mapping[str, Any]]]
    logs: list[str] = field(default_factory=list)

    @property
    def sagemaker(self) -> Any:
        return self.cloud.client("sagemaker")

    def write(self, name: str, *records: Any) -> None:
        """An input object of one JSON document per line."""
        self.objects.contents[f"in/{name}"] = b"".join(
            json.dumps(record).encode() + b"\n" for record in records
        )

    def read(self, name: str) -> list[Any]:
        """The lines of an output object."""
        return [json.loads(line) for line in self.objects.contents[f"out/{name}.out"].splitlines()]

    def outputs(self) -> list[str]:
        return [key.removeprefix("out/") for key, _ in self.objects.list(BUCKET, "out/")]

    def next_output(self) -> str:
        """The output object that is written next."""
        return self.objects.written.get(timeout=30).removeprefix("out/")

    def create(self, **changes: Any) -> str:
        """Create the job `job` of `job_request`; its name."""
        request = job_request(**changes)
        self.sagemaker.create_transform_job(**request)
        return str(request["TransformJobName"])

    def wait(self, name: str) -> dict[str, Any]:
        """The job when it has its last status, which an event tells."""
        while True:
            _, _, detail = self.events.get(timeout=30)
            if detail.get("TransformJobName") == name and detail["TransformJobStatus"] in FINAL:
                described: dict[str, Any] = self.sagemaker.describe_transform_job(TransformJobName=name)
                return described

    def run(self, **changes: Any) -> dict[str, Any]:
        """Create a job and wait for its end."""
        return self.wait(self.create(**changes))


def job_request(**changes: Any) -> dict[str, Any]:
    """CreateTransformJob for `s3://exchange/in/`: one line a request, answers joined to their lines.

    Names of nested members are written with `__`: `TransformInput__SplitType="None"`.
    """
    request: dict[str, Any] = {
        "TransformJobName": "job",
        "ModelName": "model",
        "BatchStrategy": "SingleRecord",
        "MaxConcurrentTransforms": 4,
        "MaxPayloadInMB": 1,
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/in/"}},
            "ContentType": "application/json",
            "SplitType": "Line",
        },
        "TransformOutput": {
            "S3OutputPath": f"s3://{BUCKET}/out",
            "Accept": "application/json",
            "AssembleWith": "Line",
        },
        "TransformResources": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1},
        "DataProcessing": {
            "InputFilter": "$.body",
            "JoinSource": "Input",
            "OutputFilter": "$['line','SageMakerOutput']",
        },
    }
    for path, value in changes.items():
        target = request
        *outer, last = path.split("__")
        for name in outer:
            target = target.setdefault(name, {})
        if value is None:
            target.pop(last, None)
        else:
            target[last] = value
    return request


def question(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


def line(number: int) -> dict[str, Any]:
    """A record whose answer tells nothing of it: order shows in `line` alone."""
    return {"line": number, "body": question(f"Question {number}?")}


TransformCloudFactory = Callable[..., TransformCloud]


@contextmanager
def running(
    state: Path,
    *,
    model: ModelOptions = FAST_MODEL,
    options: TransformOptions = FAST_RETRIES,
    roles: Any = None,
) -> Iterator[TransformCloud]:
    """Services with a model `model`, served until the block ends."""
    events: queue.SimpleQueue[Any] = queue.SimpleQueue()
    objects = MemoryObjects()
    services = Services(
        state,
        model,
        roles=roles or AnyRole(),
        collaborators=Collaborators(objects, EmulatedTopics(), EmulatedAlarms()),
        events=lambda *event: events.put(event),
        transform_options=options,
    )
    with served(route_by_signature(services)) as url:
        started = TransformCloud(Cloud(services, url), objects, events)
        services.transforms.log = lambda job, lines: started.logs.extend(lines)
        if "model" not in services.sagemaker.models:
            container = {"Image": "vllm", "ModelDataUrl": "s3://models/model.tar.gz"}
            started.sagemaker.create_model(
                ModelName="model", PrimaryContainer=container, ExecutionRoleArn=ROLE
            )
        yield started
