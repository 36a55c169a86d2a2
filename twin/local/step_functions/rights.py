"""Permissions that a state machine's role needs, which MiniStack does not check."""

from __future__ import annotations

from typing import Any

from twin.local import ACCOUNT, REGION
from twin.local.permissions.policy import Need, Policies

MANAGED_RULE = "StepFunctionsGetEventsForSageMakerTransformJobsRule"


class Rights:
    """Decides for the roles of state machines; each answer is the denial's text, or None."""

    def __init__(self, policies: Policies) -> None:
        self._policies = policies

    def denial(self, role_arn: str, session: str, *needs: Need) -> str | None:
        """Of the first need that the role lacks."""
        for need in needs:
            denial = self._policies.role_denial(role_arn, session, need)
            if denial is not None:
                return denial
        return None

    def rule_denial(self, role_arn: str) -> str | None:
        """Of managing the rule that tells Step Functions about the ends of transform jobs."""
        rule = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{MANAGED_RULE}"
        actions = ("events:PutRule", "events:PutTargets", "events:DescribeRule")
        if self.denial(role_arn, "states", *(Need(action, rule) for action in actions)) is None:
            return None
        return f"'{role_arn}' is not authorized to create managed-rule."


def transform_needs(name: str, model_role: str | None) -> list[Need]:
    """Permissions of running a transform job, tagged by Step Functions, and waiting for its end."""
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:transform-job/{name.lower()}"
    actions = ("CreateTransformJob", "AddTags", "DescribeTransformJob", "StopTransformJob")
    needs = [Need(f"sagemaker:{action}", arn) for action in actions]
    if model_role:
        passed = (("iam:passedtoservice", "sagemaker.amazonaws.com"),)
        needs.append(Need("iam:PassRole", model_role, conditions=passed))
    return needs


def function_need(reference: str, config: dict[str, Any]) -> Need:
    """Permission of invoking a function: by the ARN in the state, with its version, or the function's own."""
    own = str(config["FunctionArn"])
    return Need("lambda:InvokeFunction", reference if reference.startswith(own) else own)
