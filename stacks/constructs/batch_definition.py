"""How a batch runs, in Amazon States Language (JSONPath).

The input is `{"owner", "batch_id"}`, and an execution is named after the 32 digits of the batch's id.
`failure` and `joined.counts` are null until there is something to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stacks.naming import BATCHES_PREFIX
from twin.settings.batch import BatchSettings

State = dict[str, Any]

FUNCTION_TIMEOUT_SECONDS = 900
"""Lambda's longest, which both functions get."""

_TASK_TIMEOUT_SECONDS = FUNCTION_TIMEOUT_SECONDS + 60
"""Later than the function's own end, so that it ends a task only where Lambda did not answer."""

TRANSFORM_ATTEMPTS = 3
"""Transform jobs that a batch may start; cancelling a batch stops the jobs of so many attempts."""

_FAILURE = "$.failure"

_LAMBDA_RETRIES: list[State] = [
    {
        "ErrorEquals": [
            "Lambda.AWSLambdaException",
            "Lambda.ClientExecutionTimeoutException",
            "Lambda.SdkClientException",
            "Lambda.ServiceException",
            "Lambda.TooManyRequestsException",
        ],
        "IntervalSeconds": 2,
        "BackoffRate": 2,
        "MaxAttempts": 20,
        "MaxDelaySeconds": 60,
        "JitterStrategy": "FULL",
    },
    # An error in the function, or its end by memory or time: each step may run again.
    {"ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": 5, "BackoffRate": 2, "MaxAttempts": 2},
]

_FINISH_RETRIES: list[State] = [
    # Nothing comes after it: where it fails for good, the files that were joined are not to be found.
    {
        "ErrorEquals": ["States.ALL"],
        "IntervalSeconds": 2,
        "BackoffRate": 2,
        "MaxAttempts": 30,
        "MaxDelaySeconds": 300,
        "JitterStrategy": "FULL",
    },
]

_TRANSFORM_RETRIES: list[State] = [
    # Errors of the request alone: a job that ran and failed is not run again. One entry, because
    # $$.State.RetryCount, which makes each attempt's name, adds up the attempts of all of them.
    {
        "ErrorEquals": [
            "SageMaker.AmazonSageMakerException",
            "SageMaker.ResourceLimitExceededException",
            "SageMaker.ThrottlingException",
            "ThrottlingException",
        ],
        "IntervalSeconds": 60,
        "BackoffRate": 5,
        "MaxAttempts": TRANSFORM_ATTEMPTS - 1,
    }
]


@dataclass(frozen=True, slots=True)
class BatchResources:
    """What the definition refers to, by ARN or name."""

    partition: str
    steps_function_arn: str
    augment_function_arn: str
    model_name: str
    bucket_name: str
    key_arn: str
    job_prefix: str
    """Beginning of the names of transform jobs."""
    tags: dict[str, str]


def batch_definition(settings: BatchSettings, resources: BatchResources) -> State:
    """The state machine: validate, augment in shards, transform, join, finish.

    What fails after the beginning is kept as `failure`, and what there is is joined all the same. The
    transform job gets what the steps before it left of its time, so that there is time for that within the
    limit on the whole.
    """
    steps = resources.steps_function_arn
    return {
        "Comment": "A batch: validate, augment with retrieval, transform, join with the input, finish",
        "StartAt": "Begin",
        "TimeoutSeconds": settings.timeout_seconds,
        "States": {
            "Begin": {
                "Type": "Pass",
                "Parameters": {
                    "owner.$": "$.owner",
                    "batch_id.$": "$.batch_id",
                    "failure": None,
                    "joined": {"counts": None},
                },
                "Next": "Validate",
            },
            "Validate": _step(
                steps, {"step": "validate"}, result="$.validated", next_="IsValid", otherwise="Join"
            ),
            "IsValid": _choice("$.validated.valid", then="Augment", otherwise="Invalid"),
            "Invalid": {"Type": "Succeed", "Comment": "The validation recorded what is wrong with the file"},
            "Augment": _augment(settings, resources),
            "Prepare": _step(
                steps,
                {
                    "step": "prepare",
                    "begun.$": "$$.Execution.StartTime",
                    "transformed_within": settings.transform_timeout_seconds,
                },
                result="$.prepared",
                next_="IsNeeded",
                otherwise="Join",
            ),
            "IsNeeded": _choice("$.prepared.transform", then="Transform", otherwise="Join"),
            "Transform": _transform(settings, resources),
            "Join": _step(
                steps,
                {"step": "join", "failure.$": _FAILURE},
                result="$.joined",
                next_="Finish",
                otherwise="Finish",
            ),
            "Finish": _function(
                steps,
                {"step": "finish", "failure.$": _FAILURE, "counts.$": "$.joined.counts"},
            )
            | {"Retry": _FINISH_RETRIES, "End": True},
        },
    }


def _function(arn: str, arguments: State) -> State:
    return {
        "Type": "Task",
        "Resource": arn,
        "Parameters": {"owner.$": "$.owner", "batch_id.$": "$.batch_id", **arguments},
        "TimeoutSeconds": _TASK_TIMEOUT_SECONDS,
        "Retry": _LAMBDA_RETRIES,
    }


def _step(arn: str, arguments: State, *, result: str, next_: str, otherwise: str) -> State:
    """A step of the `steps` function; after a failure that retries do not heal goes on at `otherwise`."""
    return _function(arn, arguments) | {
        "ResultPath": result,
        "Catch": _catch(otherwise),
        "Next": next_,
    }


def _choice(variable: str, *, then: str, otherwise: str) -> State:
    return {
        "Type": "Choice",
        "Choices": [{"Variable": variable, "BooleanEquals": True, "Next": then}],
        "Default": otherwise,
    }


def _catch(next_: str) -> list[State]:
    return [{"ErrorEquals": ["States.ALL"], "ResultPath": _FAILURE, "Next": next_}]


def _augment(settings: BatchSettings, resources: BatchResources) -> State:
    """A child execution for each shard; the lines of a shard that fails become errors when joined."""
    shard = _function(resources.augment_function_arn, {"shard.$": "$.shard"})
    return {
        "Type": "Map",
        "Label": "Augment",
        "ItemsPath": "$.validated.shards",
        "ItemSelector": {
            "owner.$": "$.owner",
            "batch_id.$": "$.batch_id",
            "shard.$": "$$.Map.Item.Value.shard",
        },
        "MaxConcurrency": settings.augment_concurrency,
        "ToleratedFailurePercentage": 100,
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "AugmentShard",
            # The outputs of all children count towards the map's 256 KiB even where they are discarded.
            "States": {"AugmentShard": {**shard, "OutputPath": None, "End": True}},
        },
        "ResultPath": None,
        "Catch": _catch("Join"),
        "Next": "Prepare",
    }


def _transform(settings: BatchSettings, resources: BatchResources) -> State:
    return {
        "Type": "Task",
        "Resource": f"arn:{resources.partition}:states:::sagemaker:createTransformJob.sync",
        "Parameters": _transform_job(settings, resources),
        "TimeoutSecondsPath": "$.prepared.seconds",
        "ResultPath": None,
        "Retry": _TRANSFORM_RETRIES,
        "Catch": _catch("Join"),
        "Next": "Join",
    }


def _transform_job(settings: BatchSettings, resources: BatchResources) -> State:
    """One request for each line, whose answer the service puts beside the line's number."""
    folder = f"s3://{resources.bucket_name}/{BATCHES_PREFIX}{{}}"
    return {
        "TransformJobName.$": (
            f"States.Format('{resources.job_prefix}{{}}-{{}}', $$.Execution.Name, $$.State.RetryCount)"
        ),
        "ModelName": resources.model_name,
        "BatchStrategy": "SingleRecord",
        "MaxConcurrentTransforms": settings.concurrent_requests_per_instance,
        "MaxPayloadInMB": settings.max_payload_mib,
        "ModelClientConfig": {
            "InvocationsTimeoutInSeconds": settings.invocation_timeout_seconds,
            "InvocationsMaxRetries": settings.invocation_retries,
        },
        "TransformInput": {
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri.$": f"States.Format('{folder}/transform/', $$.Execution.Name)",
                }
            },
            "ContentType": "application/json",
            "CompressionType": "None",
            "SplitType": "Line",
        },
        "TransformOutput": {
            "S3OutputPath.$": f"States.Format('{folder}/transformed/', $$.Execution.Name)",
            "Accept": "application/json",
            "AssembleWith": "Line",
            "KmsKeyId": resources.key_arn,
        },
        # No VolumeKmsKeyId: the service refuses one for types with disks of their own, which are encrypted.
        "TransformResources": {
            "InstanceType": settings.instance_type,
            "InstanceCount": settings.instances,
            "TransformAmiVersion": settings.transform_ami,
        },
        "DataProcessing": {
            "InputFilter": "$.body",
            "JoinSource": "Input",
            "OutputFilter": "$['line','SageMakerOutput']",
        },
        "Tags": [{"Key": key, "Value": value} for key, value in resources.tags.items()],
    }
