"""A stack with a state machine of the batches' shape: steps, a distributed map, a transform job, a join."""

from __future__ import annotations

from typing import Any

from tests.local_host.template import Resource, allow, arn, get, policy, resource

State = dict[str, Any]
JOBS = "arn:aws:sagemaker:us-east-1:000000000000:transform-job/test-*"
RULE = "arn:aws:events:us-east-1:000000000000:rule/StepFunctionsGetEventsForSageMakerTransformJobsRule"
MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine"


def workflow_template() -> dict[str, Any]:
    """The machines `test-batch`, and `test-denied-…` whose roles lack one permission each."""
    resources = {**_data(), **_models(), **_events()}
    resources["Function"] = resource(
        "Lambda::Function",
        Runtime="python3.13",
        Handler="batch.handler",
        Role=arn("FunctionRole"),
        Timeout=30,
        Code={"S3Bucket": "code", "S3Key": "batch.zip"},
    )
    resources["FunctionRole"] = _role("lambda.amazonaws.com")
    resources |= _machine("batch")
    for missing in ("lambda:InvokeFunction", "states:StartExecution", "iam:PassRole", "sagemaker:AddTags"):
        resources |= _machine(f"denied-{missing.replace(':', '-')}", missing)
    resources["Direct"] = resource(
        "StepFunctions::StateMachine",
        StateMachineName="test-direct",
        RoleArn=arn("RoleBatch"),
        Definition=direct_definition(),
        DefinitionSubstitutions={"Bucket": {"Ref": "Bucket"}, "Model": get("Model", "ModelName")},
    )
    outputs = {name: {"Value": {"Ref": name}} for name in ("Bucket", "Events")}
    outputs |= {name: {"Value": get(name, "ModelName")} for name in ("Model", "SealedModel")}
    outputs["Role"] = {"Value": arn("RoleBatch")}
    return {"Resources": resources, "Outputs": outputs}


def _role(service: str, *statements: Resource) -> Resource:
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    rights = [{"PolicyName": "rights", "PolicyDocument": policy(*statements)}] if statements else []
    return resource("IAM::Role", AssumeRolePolicyDocument=policy(trust), Policies=rights)


def _data() -> dict[str, Resource]:
    root = {"AWS": "arn:aws:iam::000000000000:root"}
    return {
        "Key": resource("KMS::Key", KeyPolicy=policy({**allow("kms:*", "*"), "Principal": root})),
        "Bucket": resource("S3::Bucket"),
    }


def _models() -> dict[str, Resource]:
    """`Model`, and `SealedModel` whose role may not write."""
    container = {"Image": "lmi", "ModelDataUrl": "s3://models/model.tar.gz"}
    objects = {"Fn::Sub": "${Bucket.Arn}/*"}
    reads = (allow("s3:ListBucket", arn("Bucket")), allow("s3:GetObject", objects))
    writes = (allow("s3:PutObject", objects), allow("kms:GenerateDataKey", arn("Key")))
    made: dict[str, Resource] = {}
    for name, rights in (("Model", (*reads, *writes)), ("SealedModel", reads)):
        made[f"{name}Role"] = _role("sagemaker.amazonaws.com", *rights)
        made[name] = resource(
            "SageMaker::Model", PrimaryContainer=container, ExecutionRoleArn=arn(f"{name}Role")
        )
    return made


def _events() -> dict[str, Resource]:
    """A queue that gets SageMaker's events."""
    pattern = {"source": ["aws.sagemaker"]}
    return {
        "Events": resource("SQS::Queue"),
        "Rule": resource(
            "Events::Rule", EventPattern=pattern, Targets=[{"Id": "queue", "Arn": arn("Events")}]
        ),
    }


def _machine(name: str, missing: str = "") -> dict[str, Resource]:
    pass_role = allow("iam:PassRole", [arn("ModelRole"), arn("SealedModelRole")])
    only_sagemaker = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    statements = [
        allow("lambda:InvokeFunction", arn("Function")),
        allow("states:StartExecution", f"{MACHINE}:test-{name}"),
        {**pass_role, "Condition": only_sagemaker},
        *(allow(f"sagemaker:{action}TransformJob", JOBS) for action in ("Create", "Describe", "Stop")),
        allow("sagemaker:AddTags", JOBS),
        allow("events:*", RULE),
    ]
    rights = [statement for statement in statements if statement["Action"] != missing]
    identifier = "".join(part.capitalize() for part in name.replace(":", "-").split("-"))
    return {
        f"Role{identifier}": _role("states.amazonaws.com", *rights),
        f"Machine{identifier}": resource(
            "StepFunctions::StateMachine",
            StateMachineName=f"test-{name}",
            RoleArn=arn(f"Role{identifier}"),
            Definition=definition(),
            DefinitionSubstitutions={
                "Function": arn("Function"),
                "Bucket": {"Ref": "Bucket"},
                "Key": arn("Key"),
            },
        ),
    }


def definition() -> State:
    """The input is `{"how": {…}, "model": "<name>"}`; the limits are short enough for tests."""
    join = _step("join", "$.joined", "Finish", "Finish")
    return {
        "StartAt": "Begin",
        "TimeoutSeconds": 12,
        "States": {
            "Begin": {
                "Type": "Pass",
                "Parameters": {
                    "how.$": "$.how",
                    "model.$": "$.model",
                    "failure": None,
                    "joined": {"counts": None},
                },
                "Next": "Validate",
            },
            "Validate": _step("validate", "$.validated", "IsValid", "Join"),
            "IsValid": {
                "Type": "Choice",
                "Choices": [{"Variable": "$.validated.valid", "BooleanEquals": True, "Next": "Augment"}],
                "Default": "Invalid",
            },
            "Invalid": {"Type": "Succeed"},
            "Augment": _augment(),
            "Transform": _transform(),
            "Join": join,
            "Finish": _call({"step": "finish", "failure.$": "$.failure", "counts.$": "$.joined.counts"})
            | {"End": True},
        },
    }


def direct_definition() -> State:
    """One state that creates a job and does not wait for it."""
    return {
        "StartAt": "Create",
        "States": {
            "Create": {
                "Type": "Task",
                "Resource": "arn:aws:states:::sagemaker:createTransformJob",
                "Parameters": {
                    "TransformJobName.$": "States.Format('test-{}', $$.Execution.Name)",
                    "ModelName": "${Model}",
                    "TransformInput": {
                        "DataSource": {
                            "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://${Bucket}/none/"}
                        }
                    },
                    "TransformOutput": {"S3OutputPath": "s3://${Bucket}/none/"},
                    "TransformResources": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1},
                },
                "End": True,
            }
        },
    }


def _call(arguments: State) -> State:
    retry = {"ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": 1, "MaxAttempts": 1}
    return {
        "Type": "Task",
        "Resource": "${Function}",
        "Parameters": {"how.$": "$.how", **arguments},
        "TimeoutSeconds": 30,
        "Retry": [retry],
    }


def _catch(following: str) -> list[State]:
    return [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": following}]


def _step(name: str, result: str, following: str, otherwise: str) -> State:
    return _call({"step": name}) | {"ResultPath": result, "Catch": _catch(otherwise), "Next": following}


def _augment() -> State:
    shard = _call({"shard.$": "$.shard"}) | {"OutputPath": None, "End": True}
    return {
        "Type": "Map",
        "Label": "Augment",
        "ItemsPath": "$.validated.shards",
        "ItemSelector": {"how.$": "$.how", "shard.$": "$$.Map.Item.Value.shard"},
        "MaxConcurrency": 2,
        "ToleratedFailurePercentage": 100,
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "AugmentShard",
            "States": {"AugmentShard": shard},
        },
        "ResultPath": None,
        "Catch": _catch("Join"),
        "Next": "Transform",
    }


def _transform() -> State:
    uri = "States.Format('s3://${Bucket}/{}/%s/', $$.Execution.Name)"
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::sagemaker:createTransformJob.sync",
        "Parameters": {
            "TransformJobName.$": "States.Format('test-{}-{}', $$.Execution.Name, $$.State.RetryCount)",
            "ModelName.$": "$.model",
            "BatchStrategy": "SingleRecord",
            "ModelClientConfig": {"InvocationsMaxRetries": 0},
            "TransformInput": {
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri.$": uri % "in"}},
                "ContentType": "application/json",
                "SplitType": "Line",
            },
            "TransformOutput": {
                "S3OutputPath.$": uri % "out",
                "Accept": "application/json",
                "AssembleWith": "Line",
                "KmsKeyId": "${Key}",
            },
            "TransformResources": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1},
            "DataProcessing": {
                "InputFilter": "$.body",
                "JoinSource": "Input",
                "OutputFilter": "$['line','SageMakerOutput']",
            },
        },
        "TimeoutSeconds": 5,
        "ResultPath": None,
        "Retry": [
            {
                "ErrorEquals": ["SageMaker.ResourceInUseException"],
                "IntervalSeconds": 1,
                "MaxAttempts": 2,
            }
        ],
        "Catch": _catch("Join"),
        "Next": "Join",
    }
