"""The real templates of `local`, deployed by `cdk deploy` into a local cloud of the tests' own."""

from __future__ import annotations

import json
import socket
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openai
import pytest
import urllib3
from jobtable import ids, records

from stacks.naming import VARIANT, Outputs
from tests.e2e.receiver import Receiver, receiving
from twin.corpus import Buckets, SyncReport, sync
from twin.deployment.bring_up import LocalDeployment
from twin.deployment.connection import Connection
from twin.local import lifecycle
from twin.settings import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from twin.deployment.outputs import Deployment

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "samples" / "corpus"


@dataclass(frozen=True, slots=True)
class DeployedTwin:
    """What a client, an operator and a test can do with the deployed twin."""

    deployment: Deployment
    base_url: str
    model: str

    @property
    def url(self) -> str:
        """Address of the local cloud."""
        return str(self.deployment.target.endpoint_url)

    @property
    def buckets(self) -> Buckets:
        return Buckets(
            self.deployment.output("storage", Outputs.CORPUS_BUCKET),
            self.deployment.output("storage", Outputs.EXCHANGE_BUCKET),
        )

    def key(self, client: str = "demo") -> str:
        return self.deployment.api_key(client)

    def connection(self) -> Connection:
        return Connection(self.base_url, self.key(), "local")

    def client(self, key: str | None = None) -> openai.OpenAI:
        """An OpenAI client as anyone would make it, but without retries, so that each failure is seen."""
        return openai.OpenAI(base_url=self.base_url, api_key=key or self.key(), max_retries=0, timeout=60)

    def get(self, path: str, *, key: str | None) -> tuple[int, dict[str, Any]]:
        """GET a path of the API as a client without an SDK."""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        response = urllib3.request("GET", self.base_url.removesuffix("/v1") + path, headers=headers)
        return response.status, response.json()

    def sync(self, directory: Path) -> SyncReport:
        """Make the corpus equal to a folder and wait until it is searchable."""
        client = self.deployment.target.client("s3")
        return sync(directory, self.buckets, client, confirm=lambda keys: True, wait=True, stall_seconds=60)

    def restore_samples(self) -> SyncReport:
        return self.sync(SAMPLES)

    @contextmanager
    def fault(self, kind: str, **order: object) -> Iterator[None]:
        """Order the next invocation of the endpoint to fail."""
        urllib3.request("POST", f"{self.url}/_local/faults", json={"kind": kind, **order})
        try:
            yield
        finally:
            urllib3.request("DELETE", f"{self.url}/_local/faults")

    @contextmanager
    def scaled_to_zero(self) -> Iterator[None]:
        """Take the last copy of the model away, as scaling in does."""
        self._scale(0)
        try:
            yield
        finally:
            self._scale(1)

    @property
    def async_endpoint(self) -> str:
        """Name of the asynchronous endpoint, for faults."""
        return self.deployment.names.async_endpoint

    @property
    def lines_per_shard(self) -> int:
        batch = load(ROOT / "environments" / "local.yaml").batch
        assert batch is not None
        return batch.lines_per_shard

    def until_idle(self) -> None:
        """Wait until the asynchronous endpoint has nothing queued or in work."""
        deadline = time.monotonic() + 60
        while self._backlog():
            assert time.monotonic() < deadline, "the asynchronous endpoint is still busy"
            time.sleep(0.1)

    def _backlog(self) -> int:
        load = urllib3.request("GET", f"{self.url}/_local/load").json()
        return sum(int(entry.get("backlog", 0)) for entry in load.values())

    @contextmanager
    def asynchronous_at_zero(self) -> Iterator[None]:
        """Release the last instance of the asynchronous endpoint, as scaling in does."""
        sagemaker = self.deployment.target.client("sagemaker")
        variant = {"VariantName": VARIANT, "DesiredInstanceCount": 0}
        sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=self.async_endpoint, DesiredWeightsAndCapacities=[variant]
        )
        waiter = sagemaker.get_waiter("endpoint_in_service")
        waiter.wait(EndpointName=self.async_endpoint, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
        yield

    def make_due(self, job: str) -> None:
        """Let the sweeper look at a job the next time it runs, and run it."""
        target = self.deployment.target
        table = self.deployment.output("storage", Outputs.JOBS_TABLE)
        dynamodb = target.client("dynamodb")
        items = dynamodb.scan(TableName=table, ConsistentRead=True)["Items"]
        (record,) = [records.from_item(item) for item in items if item["id"]["S"] == job]
        dynamodb.update_item(**records.change(table, record["owner"], job, fields={"due_at": 0}))
        target.client("lambda").invoke(FunctionName=self._function("jobs", "Sweeper"))

    def _function(self, stack: str, construct: str) -> str:
        """Name of a stack's function."""
        described = self.deployment.target.client("cloudformation").describe_stack_resources(
            StackName=self.deployment.names.stack(stack)
        )
        (name,) = [
            resource["PhysicalResourceId"]
            for resource in described["StackResources"]
            if resource["ResourceType"] == "AWS::Lambda::Function"
            and resource["LogicalResourceId"].startswith(construct)
        ]
        return str(name)

    def webhook_secret(self, client: str) -> str:
        name = self.deployment.names.webhook_secret(client)
        return str(
            self.deployment.target.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"]
        )

    @contextmanager
    def transform_fault(self, kind: str, **order: object) -> Iterator[None]:
        """Order the next transform job to fail."""
        with self.fault(kind, job=self.deployment.names.transform_job_prefix, **order):
            yield

    def transform_job(self, batch: str) -> str:
        """Name of the transform job of a batch, once it runs."""
        sagemaker = self.deployment.target.client("sagemaker")
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            found = sagemaker.list_transform_jobs(NameContains=ids.digits(batch))["TransformJobSummaries"]
            if found:
                return str(found[0]["TransformJobName"])
            time.sleep(0.1)
        pytest.fail(f"{batch} has no transform job")

    def transform_status(self, job: str) -> str:
        sagemaker = self.deployment.target.client("sagemaker")
        return str(sagemaker.describe_transform_job(TransformJobName=job)["TransformJobStatus"])

    def _scale(self, copies: int) -> None:
        sagemaker = self.deployment.target.client("sagemaker")
        name = self.deployment.names.inference_component
        sagemaker.update_inference_component_runtime_config(
            InferenceComponentName=name, DesiredRuntimeConfig={"CopyCount": copies}
        )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            described = sagemaker.describe_inference_component(InferenceComponentName=name)
            if described["RuntimeConfig"].get("CurrentCopyCount") == copies:
                return
            time.sleep(0.1)
        pytest.fail(f"{name} did not reach {copies} copies: {described['RuntimeConfig']}")

    def dead_letter(self, containing: str) -> dict[str, Any]:
        """Take messages off the dead-letter queue until one speaks of `containing`."""
        sqs = self.deployment.target.client("sqs")
        queue = self.deployment.output("storage", Outputs.DEAD_LETTER_QUEUE_URL)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for message in sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages", []):
                if containing in message["Body"]:
                    return dict(json.loads(message["Body"]))
        pytest.fail(f"no message about {containing} came to the dead-letter queue")


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Finds a port of 127.0.0.1 that nobody listens on."""

    def find() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    return find


@pytest.fixture(scope="session")
def twin(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[DeployedTwin]:
    """A twin with the sample corpus; deployed once, since that takes half a minute."""
    state = tmp_path_factory.mktemp("local-cloud")
    environment = load(ROOT / "environments" / "local.yaml")
    port = free_port()
    lifecycle.start(lifecycle.options_for(environment, state, port))
    try:
        local = LocalDeployment(ROOT, state, port, environment)
        local.bootstrap()
        deployment = local.deploy(lambda stack, changed: None)
        deployed = DeployedTwin(deployment, deployment.base_url(), environment.model.id)
        deployed.restore_samples()
        yield deployed
    finally:
        lifecycle.stop(state)


@pytest.fixture
def receiver(twin: DeployedTwin) -> Iterator[Receiver]:
    """The server of the client `subscriber`, at the address that the environment file names."""
    webhooks = load(ROOT / "environments" / "local.yaml").jobs.webhooks
    with receiving(urllib3.util.parse_url(webhooks["subscriber"]).port or 80) as server:
        yield server
