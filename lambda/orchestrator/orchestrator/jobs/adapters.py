"""What jobs reach outside the service, and how it is made for AWS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.aws.client import AwsClient
from orchestrator.aws.endpoints import bucket_url, endpoint_url
from orchestrator.aws.json_service import JsonService
from orchestrator.jobs import batches, queue, table
from orchestrator.jobs.asynchronous import SageMakerAsynchronousModel
from orchestrator.jobs.objects import S3Objects

if TYPE_CHECKING:
    import httpcore

    from orchestrator.environment import Environment
    from orchestrator.jobs.asynchronous import AsynchronousModel
    from orchestrator.jobs.batches import StateMachine, TransformJobs
    from orchestrator.jobs.objects import Objects
    from orchestrator.jobs.queue import Queue
    from orchestrator.jobs.table import JobsTable


@dataclass(frozen=True, slots=True)
class JobAdapters:
    table: JobsTable
    objects: Objects
    webhooks: Queue
    asynchronous: AsynchronousModel
    state_machine: StateMachine
    transform_jobs: TransformJobs


def on_aws(environment: Environment, pool: httpcore.AsyncConnectionPool, region: str) -> JobAdapters:
    """The adapters for what the environment deploys; those of the rest are never called."""

    def client(url: str, signing_name: str) -> AwsClient:
        return AwsClient(pool, base_url=url, signing_name=signing_name, region=region)

    def service(name: str, signing_name: str, target: str, version: str = "1.0") -> JsonService:
        return JsonService(client(endpoint_url(name, region), signing_name), target, version=version)

    return JobAdapters(
        table=table.DynamoDbTable(service("dynamodb", "dynamodb", table.TARGET), environment.jobs_table_name),
        objects=S3Objects(client(bucket_url(environment.exchange_bucket_name, region), "s3")),
        webhooks=queue.SqsQueue(service("sqs", "sqs", queue.TARGET), environment.webhook_queue_url),
        asynchronous=SageMakerAsynchronousModel(
            client(endpoint_url("sagemaker_runtime", region), "sagemaker"),
            endpoint_name=environment.async_endpoint_name,
            bucket=environment.exchange_bucket_name,
            request_ttl=environment.async_request_ttl_seconds or 0,
            invocation_timeout=environment.async_invocation_timeout_seconds or 0,
        ),
        state_machine=batches.StepFunctions(
            service("sfn", "states", batches.STATES_TARGET), environment.batch_state_machine_arn
        ),
        transform_jobs=batches.SageMakerTransformJobs(
            service("sagemaker", "sagemaker", batches.SAGEMAKER_TARGET, batches.SAGEMAKER_VERSION)
        ),
    )
