"""The state machine's definition: as data, and run by the local cloud's interpreter."""

from __future__ import annotations

import json
from typing import Any

import pytest
from batch.validation import Limits
from botocore.session import get_session
from botocore.validate import validate_parameters
from jobtable import ids, keys
from ministack.services import stepfunctions as _stepfunctions

from stacks.constructs.batch_definition import (
    FUNCTION_TIMEOUT_SECONDS,
    TRANSFORM_ATTEMPTS,
    BatchResources,
    batch_definition,
)
from twin.settings.batch import BatchSettings

State = dict[str, Any]

stepfunctions: Any = _stepfunctions
"""The local cloud's interpreter of definitions, which has no types."""


STEPS = "arn:aws:lambda:us-east-1:111122223333:function:steps"
AUGMENT = "arn:aws:lambda:us-east-1:111122223333:function:augment"
TRANSFORM = "arn:aws:states:::sagemaker:createTransformJob.sync"
DIGITS = "0" * 31 + "7"
BATCH = {"owner": "key", "batch_id": f"batch_{DIGITS}"}
BEGUN = "2030-01-01T00:00:00.000Z"
COUNTS = {"total": 3, "completed": 3, "failed": 0}

SETTINGS = BatchSettings(
    instance_type="ml.g6e.xlarge",
    instances=2,
    model_data_url="s3://models/twin/model.tar.gz",
    concurrent_requests_per_instance=12,
    max_payload_mib=8,
    invocation_timeout_seconds=300,
    invocation_retries=1,
    augment_concurrency=3,
    timeout_hours=8,
)
RESOURCES = BatchResources(
    partition="aws",
    steps_function_arn=STEPS,
    augment_function_arn=AUGMENT,
    model_name="model",
    bucket_name="exchange",
    key_arn="arn:aws:kms:us-east-1:111122223333:key/1",
    job_prefix="twin-prod-",
    tags={"project": "llm-twin-stack"},
)


@pytest.fixture
def definition() -> State:
    # As Step Functions gets it: what JSON cannot say is noticed here.
    copy: State = json.loads(json.dumps(batch_definition(SETTINGS, RESOURCES)))
    return copy


def tasks(definition: State) -> dict[str, State]:
    """Every task, that of the map's children among them."""
    states = definition["States"] | definition["States"]["Augment"]["ItemProcessor"]["States"]
    return {name: state for name, state in states.items() if state["Type"] == "Task"}


def test_steps_come_in_order(definition: State) -> None:
    order = [definition["StartAt"]]
    while (state := definition["States"][order[-1]])["Type"] not in {"Succeed"} and "End" not in state:
        order.append(state["Choices"][0]["Next"] if state["Type"] == "Choice" else state["Next"])
    assert order == [
        "Begin",
        "Validate",
        "IsValid",
        "Augment",
        "Prepare",
        "IsNeeded",
        "Transform",
        "Join",
        "Finish",
    ]


def test_every_state_is_reached_and_every_target_exists(definition: State) -> None:
    states = definition["States"]
    targets = {definition["StartAt"]}
    for state in states.values():
        targets |= {state[key] for key in ("Next", "Default") if key in state}
        targets |= {choice["Next"] for choice in state.get("Choices", [])}
        targets |= {catch["Next"] for catch in state.get("Catch", [])}
    assert targets == set(states)


def test_any_failure_leads_to_what_there_is_being_joined(definition: State) -> None:
    caught = {
        name: state["Catch"]
        for name, state in definition["States"].items()
        if state["Type"] in {"Task", "Map"}
        if "Catch" in state
    }
    everything = {"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure"}
    assert caught == {
        "Validate": [{**everything, "Next": "Join"}],
        "Augment": [{**everything, "Next": "Join"}],
        "Prepare": [{**everything, "Next": "Join"}],
        "Transform": [{**everything, "Next": "Join"}],
        "Join": [{**everything, "Next": "Finish"}],
    }


def test_every_task_has_a_limit_and_retries(definition: State) -> None:
    for name, task in tasks(definition).items():
        assert "TimeoutSeconds" in task or "TimeoutSecondsPath" in task, name
        assert task["Retry"], name
    functions = [task for task in tasks(definition).values() if task["Resource"] in {STEPS, AUGMENT}]
    assert len(functions) == 5
    assert {task["TimeoutSeconds"] for task in functions} == {FUNCTION_TIMEOUT_SECONDS + 60}


def test_time_remains_for_the_join_when_the_transform_job_takes_too_long(definition: State) -> None:
    prepare, transform = definition["States"]["Prepare"], definition["States"]["Transform"]
    assert definition["TimeoutSeconds"] == 8 * 3600
    assert prepare["Parameters"]["begun.$"] == "$$.Execution.StartTime"
    assert prepare["Parameters"]["transformed_within"] == 7 * 3600
    assert transform["TimeoutSecondsPath"] == "$.prepared.seconds"


def test_functions_are_retried_when_lambda_or_they_themselves_fail(definition: State) -> None:
    service, own = definition["States"]["Join"]["Retry"]
    assert "Lambda.TooManyRequestsException" in service["ErrorEquals"]
    assert service["JitterStrategy"] == "FULL"
    assert own["ErrorEquals"] == ["States.TaskFailed"]


def test_a_transform_job_that_ran_is_not_run_again(definition: State) -> None:
    [retry] = definition["States"]["Transform"]["Retry"]
    assert not {"States.ALL", "States.TaskFailed", "States.Timeout"} & set(retry["ErrorEquals"])
    assert retry["MaxAttempts"] == TRANSFORM_ATTEMPTS - 1 == 2


def test_shards_are_augmented_by_children_that_may_fail(definition: State) -> None:
    augment = definition["States"]["Augment"]
    assert augment["ItemProcessor"]["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    assert augment["ToleratedFailurePercentage"] == 100
    assert augment["MaxConcurrency"] == 3
    assert augment["ItemsPath"] == "$.validated.shards"
    assert augment["ResultPath"] is None
    assert augment["ItemProcessor"]["States"]["AugmentShard"]["OutputPath"] is None


@pytest.mark.parametrize("attempt", [0, 2])
def test_transform_job_is_one_that_the_service_accepts(definition: State, attempt: int) -> None:
    context = {"Execution": {"Name": DIGITS}, "State": {"RetryCount": attempt}}
    request = stepfunctions._resolve_params_obj(
        definition["States"]["Transform"]["Parameters"], BATCH, context
    )
    operation = get_session().get_service_model("sagemaker").operation_model("CreateTransformJob")
    assert operation.input_shape is not None
    validate_parameters(request, operation.input_shape)
    assert request == {
        "TransformJobName": f"twin-prod-{DIGITS}-{attempt}",
        "ModelName": "model",
        "BatchStrategy": "SingleRecord",
        "MaxConcurrentTransforms": 12,
        "MaxPayloadInMB": 8,
        "ModelClientConfig": {"InvocationsTimeoutInSeconds": 300, "InvocationsMaxRetries": 1},
        "TransformInput": {
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": f"s3://exchange/jobs/batches/{DIGITS}/transform/",
                }
            },
            "ContentType": "application/json",
            "CompressionType": "None",
            "SplitType": "Line",
        },
        "TransformOutput": {
            "S3OutputPath": f"s3://exchange/jobs/batches/{DIGITS}/transformed/",
            "Accept": "application/json",
            "AssembleWith": "Line",
            "KmsKeyId": "arn:aws:kms:us-east-1:111122223333:key/1",
        },
        "TransformResources": {
            "InstanceType": "ml.g6e.xlarge",
            "InstanceCount": 2,
            "TransformAmiVersion": "al2-ami-sagemaker-batch-gpu-535",
        },
        "DataProcessing": {
            "InputFilter": "$.body",
            "JoinSource": "Input",
            "OutputFilter": "$['line','SageMakerOutput']",
        },
        "Tags": [{"Key": "project", "Value": "llm-twin-stack"}],
    }


def test_names_and_places_are_those_of_the_functions(definition: State) -> None:
    """The functions read what the job writes: their package says where it lies."""
    context = {"Execution": {"Name": ids.digits(BATCH["batch_id"])}, "State": {"RetryCount": 1}}
    request = stepfunctions._resolve_params_obj(
        definition["States"]["Transform"]["Parameters"], BATCH, context
    )
    source = request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
    assert request["TransformJobName"] == ids.transform_job_name("prod", BATCH["batch_id"], 1)
    assert source == f"s3://exchange/{keys.transform_input(BATCH['batch_id'])}"
    output = request["TransformOutput"]["S3OutputPath"]
    assert output == f"s3://exchange/{keys.transform_output(BATCH['batch_id'])}"


class Services:
    """Stands for Lambda and SageMaker: answers in the place of each, and remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, State]] = []
        self.failing: dict[str, tuple[str, int]] = {}
        self.answers: dict[str, Any] = {
            "validate": {"valid": True, "shards": [{"shard": 0}, {"shard": 1}], "total": 3},
            "augment": {"written": 2},
            "prepare": {"transform": True, "seconds": 100},
            "transform": {"TransformJobStatus": "Completed"},
            "join": {"counts": COUNTS, "output": True, "errors": False},
            "finish": {"status": "completed"},
        }

    def invoke(self, resource: str, request: State) -> Any:
        name = {STEPS: request.get("step", "?"), AUGMENT: "augment", TRANSFORM: "transform"}[resource]
        self.calls.append((name, request))
        error, times = self.failing.get(name, ("", 0))
        if times:
            self.failing[name] = (error, times - 1)
            raise stepfunctions._ExecutionError(error, f"{name} failed")
        return self.answers[name]

    @property
    def order(self) -> list[str]:
        return [name for name, _ in self.calls]

    @property
    def finish(self) -> State:
        """What the last step was told."""
        name, request = self.calls[-1]
        assert name == "finish"
        return request


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Services:
    made = Services()
    monkeypatch.setattr(stepfunctions, "_invoke_resource", made.invoke)
    monkeypatch.setattr(stepfunctions, "_scaled_sleep", lambda seconds: None)
    return made


def run(definition: State) -> Any:
    """The output of an execution; raises the interpreter's error where it fails."""
    machine = "arn:aws:states:us-east-1:111122223333:stateMachine:twin-prod-batch"
    execution = {"executionArn": f"{machine}:{DIGITS}", "stateMachineArn": machine, "events": []}
    context: State = {
        "Execution": {"Name": DIGITS, "StartTime": BEGUN},
        "StateMachine": {"Name": "twin-prod-batch"},
        "State": {},
    }
    return stepfunctions._run_sub_machine(
        definition["States"], definition["StartAt"], BATCH, execution, context
    )


def test_a_batch_runs_to_its_end(definition: State, services: Services) -> None:
    run(definition)
    assert services.order == ["validate", "augment", "augment", "prepare", "transform", "join", "finish"]
    assert services.calls[0] == ("validate", {"step": "validate", **BATCH})
    assert services.calls[-2] == ("join", {"step": "join", **BATCH, "failure": None})
    assert services.finish == {"step": "finish", **BATCH, "failure": None, "counts": COUNTS}
    shards = [request for name, request in services.calls if name == "augment"]
    assert sorted(shards, key=lambda request: int(request["shard"])) == [
        {**BATCH, "shard": 0},
        {**BATCH, "shard": 1},
    ]


def test_an_invalid_file_ends_a_batch_at_once(definition: State, services: Services) -> None:
    services.answers["validate"] = {"valid": False, "shards": [], "total": 0}
    run(definition)
    assert services.order == ["validate"]


def test_without_a_request_for_the_model_there_is_no_transform_job(
    definition: State, services: Services
) -> None:
    services.answers["validate"] = {"valid": True, "shards": [], "total": 3}
    services.answers["prepare"] = {"transform": False}
    run(definition)
    assert services.order == ["validate", "prepare", "join", "finish"]


@pytest.mark.parametrize(
    ("step", "before"),
    [
        ("validate", []),
        ("prepare", ["validate", "augment", "augment"]),
        ("transform", ["validate", "augment", "augment", "prepare"]),
    ],
)
def test_after_a_failure_partial_results_are_joined(
    definition: State, services: Services, step: str, before: list[str]
) -> None:
    services.failing[step] = ("Broken", 100)
    run(definition)
    assert [name for name in services.order if name != step] == [*before, "join", "finish"]
    failure = {"Error": "Broken", "Cause": f"{step} failed"}
    assert services.calls[-2] == ("join", {"step": "join", **BATCH, "failure": failure})
    assert services.finish == {"step": "finish", **BATCH, "failure": failure, "counts": COUNTS}


def test_a_failing_join_is_reported(definition: State, services: Services) -> None:
    services.failing["join"] = ("Broken", 100)
    run(definition)
    assert services.order.count("join") == 3
    assert services.finish["failure"] == {"Error": "Broken", "Cause": "join failed"}
    assert services.finish["counts"] is None


def test_what_was_joined_outlasts_a_finish_that_fails_for_an_hour(
    definition: State, services: Services
) -> None:
    services.failing["finish"] = ("Broken", 25)
    run(definition)
    assert services.order.count("finish") == 26
    (retry,) = definition["States"]["Finish"]["Retry"]
    waits = [min(2 * 2**attempt, retry["MaxDelaySeconds"]) for attempt in range(retry["MaxAttempts"])]
    assert retry["JitterStrategy"] == "FULL"  # halves them on average
    assert sum(waits) / 2 > 3_500


def test_the_most_shards_fit_into_the_state_of_the_machine(definition: State) -> None:
    """Step Functions passes on 256 KiB at most; beside the shards there may be a failure of 32 KiB."""
    limits = BatchSettings.model_json_schema()["properties"]
    most = Limits(
        model="twin",
        max_lines=limits["max_lines"]["maximum"],
        lines_per_shard=limits["lines_per_shard"]["minimum"],
        instances=limits["instances"]["maximum"],
    )
    shards = [{"shard": shard} for shard in range(most.shards(most.max_lines))]
    assert len(shards) == 5_000
    assert len(json.dumps(shards)) < 100_000
    # What the children return counts as well.
    outputs = [definition["States"]["Augment"]["ItemProcessor"]["States"]["AugmentShard"]["OutputPath"]]
    assert len(json.dumps(outputs * len(shards))) < 100_000


def test_a_failing_finish_fails_the_execution(definition: State, services: Services) -> None:
    services.failing["finish"] = ("Broken", 100)
    with pytest.raises(stepfunctions._ExecutionError, match="finish failed"):
        run(definition)


def test_a_shard_that_cannot_be_augmented_fails_no_batch(definition: State, services: Services) -> None:
    services.failing["augment"] = ("Broken", 100)
    run(definition)
    assert services.finish["failure"] is None
    assert services.order.count("augment") == 2 * 3


@pytest.mark.parametrize("error", ["Lambda.TooManyRequestsException", "MemoryError", "Sandbox.Timedout"])
def test_a_step_that_fails_for_a_moment_is_repeated(
    definition: State, services: Services, error: str
) -> None:
    services.failing["join"] = (error, 2)
    run(definition)
    assert services.order.count("join") == 3
    assert services.finish["failure"] is None


def test_a_throttled_request_for_a_job_gets_a_name_of_its_own(definition: State, services: Services) -> None:
    services.failing["transform"] = ("SageMaker.ThrottlingException", 2)
    run(definition)
    names = [request["TransformJobName"] for name, request in services.calls if name == "transform"]
    assert names == [f"twin-prod-{DIGITS}-{attempt}" for attempt in range(TRANSFORM_ATTEMPTS)]
    assert services.finish["failure"] is None


@pytest.mark.parametrize("error", ["States.TaskFailed", "States.Timeout"])
def test_a_transform_job_that_fails_or_takes_too_long_is_not_repeated(
    definition: State, services: Services, error: str
) -> None:
    services.failing["transform"] = (error, 100)
    run(definition)
    assert services.order[-3:] == ["transform", "join", "finish"]
    assert services.order.count("transform") == 1
    assert services.finish["failure"]["Error"] == error
