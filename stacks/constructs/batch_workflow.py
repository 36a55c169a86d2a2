"""The state machine that runs batches, and what others may do with it."""

from __future__ import annotations

import json

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.constructs.batch_definition import BatchResources, batch_definition
from stacks.constructs.delivery_rights import DeliveryRights
from stacks.constructs.encryption_key import EncryptionKey
from stacks.constructs.log_group import encrypted_log_group
from stacks.naming import BATCH_DIGITS, Names
from twin.settings.batch import BatchSettings
from twin.settings.functions import LogSettings

_JOB_EVENTS_RULE = "StepFunctionsGetEventsForSageMakerTransformJobsRule"
"""Rule that Step Functions makes, once for an account, to be told when a transform job ends."""

_UUID = "-".join("?" * length for length in (8, 4, 4, 4, 12))
_CHILDREN = f"/Augment:{_UUID}"


def batch_state_machine_arn(scope: Construct, names: Names) -> str:
    """ARN of the state machine, which others know by its name."""
    return _states_arn(scope, "stateMachine", names.batch_state_machine)


def grant_start_batches(role: iam.Role, names: Names) -> None:
    """Allow starting the batches' executions."""
    _allow(role, ["states:StartExecution"], [batch_state_machine_arn(role, names)])


def grant_describe_batches(role: iam.Role, names: Names) -> None:
    """Allow looking at the batches' executions."""
    _allow(role, ["states:DescribeExecution"], [_executions(role, names)])


def grant_stop_transforms(role: iam.Role, names: Names) -> None:
    """Allow stopping the batches' transform jobs."""
    _allow(role, ["sagemaker:StopTransformJob"], [_transform_jobs(role, names)])


class BatchWorkflow(Construct):
    """State machine with its log, traces, and a role that may do what the definition says and no more."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: Names,
        batch: BatchSettings,
        logs: LogSettings,
        key: EncryptionKey,
        delivery: DeliveryRights,
        resources: BatchResources,
    ) -> None:
        super().__init__(scope, construct_id)
        self._names = names
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("states.amazonaws.com"),
            description="Runs batches",
        )
        self._allow_map()
        self._allow_transform_jobs()
        delivery.grant(self.role)
        machine = sfn.StateMachine(
            self,
            "StateMachine",
            state_machine_name=names.batch_state_machine,
            state_machine_type=sfn.StateMachineType.STANDARD,
            # Not Stack.to_json_string: it drops null, which in a definition is not the same as nothing.
            definition_body=sfn.DefinitionBody.from_string(json.dumps(batch_definition(batch, resources))),
            # The L2 would give the role statements of its own for logs and traces.
            role=self.role.without_policy_updates(),
            # Causes of failures may quote what clients wrote, so no data is logged.
            logs=sfn.LogOptions(
                destination=encrypted_log_group(
                    self, "Logs", settings=logs, key=key, name=names.batch_log_group
                ),
                level=sfn.LogLevel.ALL,
                include_execution_data=False,
            ),
            tracing_enabled=True,
        )
        machine.node.add_dependency(self.role)

    def allow_invoke(self, *functions: lambda_.IFunction) -> None:
        """Allow calling the functions, at their newest version alone."""
        _allow(self.role, ["lambda:InvokeFunction"], [function.function_arn for function in functions])

    def allow_pass(self, execution_role: iam.IRole) -> None:
        """Allow handing the model's role to SageMaker and to nobody else."""
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=["iam:PassRole"],
                resources=[execution_role.role_arn],
                conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
            )
        )

    def _allow_map(self) -> None:
        """The map's children are executions of the state machine itself."""
        _allow(self.role, ["states:StartExecution"], [batch_state_machine_arn(self, self._names)])
        _allow(
            self.role,
            ["states:DescribeExecution", "states:StopExecution"],
            [
                _executions(self, self._names),
                _states_arn(self, "execution", f"{self._names.batch_state_machine}{_CHILDREN}"),
            ],
        )

    def _allow_transform_jobs(self) -> None:
        _allow(
            self.role,
            [
                "sagemaker:AddTags",
                "sagemaker:CreateTransformJob",
                "sagemaker:DescribeTransformJob",
                "sagemaker:ListTags",
                "sagemaker:StopTransformJob",
            ],
            [_transform_jobs(self, self._names)],
        )
        rule = cdk.Stack.of(self).format_arn(
            service="events", resource="rule", resource_name=_JOB_EVENTS_RULE
        )
        _allow(self.role, ["events:DescribeRule", "events:PutRule", "events:PutTargets"], [rule])


def _executions(scope: Construct, names: Names) -> str:
    """Pattern of the executions: `?` stands for one digit, so nothing longer or shorter is meant."""
    return _states_arn(scope, "execution", f"{names.batch_state_machine}:{BATCH_DIGITS}")


def _transform_jobs(scope: Construct, names: Names) -> str:
    return cdk.Stack.of(scope).format_arn(
        service="sagemaker", resource="transform-job", resource_name=names.transform_jobs
    )


def _states_arn(scope: Construct, resource: str, name: str) -> str:
    return cdk.Stack.of(scope).format_arn(
        service="states",
        resource=resource,
        resource_name=name,
        arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
    )


def _allow(role: iam.Role, actions: list[str], resources: list[str]) -> None:
    role.add_to_policy(iam.PolicyStatement(actions=actions, resources=resources))
