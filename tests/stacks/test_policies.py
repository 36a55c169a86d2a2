"""What no stack of any environment may hold."""

from __future__ import annotations

import json

import pytest
from ministack.core import iam_evaluator

from tests.stacks.synthesis import Synthesis
from tests.stacks.templates import as_list

WILDCARD_ACTIONS = {
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:CreateNetworkInterfacePermission",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteNetworkInterfacePermission",
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
    "ec2:UnassignPrivateIpAddresses",
    "ecr:GetAuthorizationToken",
    "cloudwatch:DescribeAlarms",
    "cloudwatch:PutMetricData",
    "logs:CreateLogDelivery",
    "logs:CreateLogGroup",
    "logs:CreateLogStream",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeLogStreams",
    "logs:DescribeResourcePolicies",
    "logs:FilterLogEvents",
    "logs:GetLogDelivery",
    "logs:GetLogEvents",
    "logs:ListLogDeliveries",
    "logs:PutLogEvents",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
}
"""Actions that know no resource, or whose resource has no name before it is made."""


def test_no_action_has_a_wildcard(synthesis: Synthesis) -> None:
    for template in synthesis.templates.values():
        for policy, statement in template.identity_statements():
            assert not [action for action in as_list(statement["Action"]) if "*" in action], policy


def test_only_actions_without_a_resource_are_allowed_on_all(synthesis: Synthesis) -> None:
    for template in synthesis.templates.values():
        for policy, statement in template.identity_statements():
            if "*" in as_list(statement["Resource"]):
                assert set(as_list(statement["Action"])) <= WILDCARD_ACTIONS, policy


def test_no_policy_gives_full_access(synthesis: Synthesis) -> None:
    for template in synthesis.templates.values():
        assert "FullAccess" not in template.text()
        assert "AdministratorAccess" not in template.text()


def test_no_policy_is_managed_by_aws(synthesis: Synthesis) -> None:
    for template in synthesis.templates.values():
        for role in template.properties("AWS::IAM::Role"):
            for policy in role.get("ManagedPolicyArns", []):
                assert set(policy) <= {"Ref", "Fn::ImportValue"}
                assert ":iam::aws:" not in json.dumps(policy)


SHARED = {
    "storage": {"DeliveryRights/Policy", "Exchange/JobObjects"},
    "network": {"FunctionRights/Policy"},
    "registry": {"ModelRights/Hosting", "ModelRights/TransformLogs", "ModelRights/Weights"},
}


def test_shared_policies_are_few_and_have_no_name_or_description(synthesis: Synthesis) -> None:
    """A change of either would replace the policy, which other stacks hold on to."""
    for noun, template in synthesis.templates.items():
        policies = template.resources("AWS::IAM::ManagedPolicy").values()
        paths = {policy["Metadata"]["aws:cdk:path"].split("/", 1)[1] for policy in policies}
        assert {path.removesuffix("/Resource") for path in paths} == SHARED.get(noun, set())
        for policy in policies:
            assert not policy["Properties"].get("Description")
            assert "ManagedPolicyName" not in policy["Properties"]


def test_the_only_denial_keeps_transform_jobs_to_their_log(synthesis: Synthesis) -> None:
    """Streams in it are named after hosts; the wildcard that they need is a limit here, not a right."""
    denials = [
        statement
        for template in synthesis.templates.values()
        for _, statement in template.identity_statements("Deny")
    ]
    group = f"arn:aws:logs:us-east-1:{synthesis.environment.account}:log-group:/aws/sagemaker/TransformJobs"
    [allow, _] = synthesis.registry.at("ModelRights/TransformLogs")["PolicyDocument"]["Statement"]
    assert denials == [
        {"Effect": "Deny", "Action": allow["Action"], "NotResource": [group, f"{group}:*"]},
    ]


@pytest.mark.parametrize(
    ("group", "decision"),
    [
        ("/aws/sagemaker/TransformJobs:log-stream:any", "Allow"),
        ("/aws/sagemaker/TransformJobs", "Allow"),
        ("/aws/sagemaker/TransformJobsOfOthers:log-stream:any", "Deny"),
        ("/aws/sagemaker/Endpoints/twin-prod-realtime:log-stream:any", "Deny"),
        ("/aws/lambda/anything:log-stream:any", "Deny"),
    ],
)
def test_transform_jobs_write_to_no_other_log(prod: Synthesis, group: str, decision: str) -> None:
    """As IAM decides it: a denial comes before any right."""
    document = prod.registry.at("ModelRights/TransformLogs")["PolicyDocument"]
    account = prod.environment.account
    request = iam_evaluator.EvalContext(
        principal_arn=f"arn:aws:iam::{account}:role/any",
        principal_type="AssumedRole",
        principal_account=account,
        action="logs:PutLogEvents",
        resource_arn=f"arn:aws:logs:us-east-1:{account}:log-group:{group}",
        region="us-east-1",
        source_ip="127.0.0.1",
        secure_transport=True,
    )
    policies = [iam_evaluator.parse_policy_document(document)]
    assert iam_evaluator.evaluate(request, policies).decision == decision


def test_roles_that_run_the_model_write_to_the_logs_of_their_own_deployment_type(
    synthesis: Synthesis,
) -> None:
    hosting = synthesis.registry.at("ModelRights/Hosting")
    assert "logs:" not in json.dumps(hosting)
    for noun, groups in {
        "realtime": ["EndpointLogs", "ModelLogs"],
        "asynchronous": ["EndpointLogs"],
        "batch": [],
    }.items():
        template = synthesis.templates[noun]
        written = [
            resource["Fn::GetAtt"]
            for statement in template.statements("ExecutionRole/Role")
            if "logs:PutLogEvents" in as_list(statement["Action"])
            for resource in as_list(statement["Resource"])
        ]
        assert sorted(written) == [[template.find(path)[0], "Arn"] for path in groups]
        shared = json.dumps(template.at("ExecutionRole/Role")["ManagedPolicyArns"])
        assert ("TransformLogs" in shared) is (noun == "batch")


def test_rights_on_all_logs_belong_to_roles_that_no_code_of_ours_holds(synthesis: Synthesis) -> None:
    holders = {
        role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"]
        for template in synthesis.templates.values()
        for role in template.properties("AWS::IAM::Role")
        if "DeliveryRights" in json.dumps(role.get("ManagedPolicyArns", []))
    }
    assert holders == {"apigateway.amazonaws.com", "states.amazonaws.com"}


def test_functions_do_not_have_the_rights_of_models_nor_models_those_of_functions(
    synthesis: Synthesis,
) -> None:
    for template in synthesis.templates.values():
        for role in template.properties("AWS::IAM::Role"):
            [trust] = role["AssumeRolePolicyDocument"]["Statement"]
            policies = json.dumps(role.get("ManagedPolicyArns", []))
            assert ("ModelRights" in policies) is (trust["Principal"]["Service"] == "sagemaker.amazonaws.com")
            if "FunctionRights" in policies:
                assert trust["Principal"]["Service"] == "lambda.amazonaws.com"


def test_patterns_of_single_characters_stand_for_the_digits_of_batches_alone(synthesis: Synthesis) -> None:
    """cdk-nag looks for `*` alone, so what holds a `?` is listed here."""
    digits, uuid = "?" * 32, "-".join("?" * length for length in (8, 4, 4, 4, 12))
    name = f"twin-{synthesis.environment.name}"
    patterns = {
        resource.rpartition(":")[2] if "execution" not in resource else resource.split(":", 6)[6]
        for template in synthesis.templates.values()
        for _, statement in template.identity_statements()
        for resource in as_list(statement["Resource"])
        if "?" in str(resource)
    }
    assert patterns == {
        f"transform-job/{name}-{digits}-?",
        f"{name}-batch:{digits}",
        f"{name}-batch/Augment:{uuid}",
    }


def test_nobody_but_named_services_may_assume_a_role(synthesis: Synthesis) -> None:
    principals = {
        json.dumps(statement["Principal"])
        for template in synthesis.templates.values()
        for role in template.properties("AWS::IAM::Role")
        for statement in role["AssumeRolePolicyDocument"]["Statement"]
    }
    assert principals == {
        json.dumps({"Service": f"{service}.amazonaws.com"})
        for service in ("apigateway", "lambda", "sagemaker", "states", "vpc-flow-logs")
    }


def test_no_bucket_is_public(synthesis: Synthesis) -> None:
    for template in synthesis.templates.values():
        for bucket in template.properties("AWS::S3::Bucket"):
            assert "AccessControl" not in bucket
            assert "WebsiteConfiguration" not in bucket
            assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        for policy in template.properties("AWS::S3::BucketPolicy"):
            for statement in policy["PolicyDocument"]["Statement"]:
                assert statement["Effect"] == "Deny" or "Service" in statement["Principal"]


def test_physical_names_are_only_those_that_others_look_up(synthesis: Synthesis) -> None:
    """A resource with a fixed name cannot be replaced, only deleted and made again."""
    named = {
        resource["Type"]
        for template in synthesis.templates.values()
        for resource in template.body["Resources"].values()
        for key in resource.get("Properties", {})
        if key in {"BucketName", "QueueName", "RoleName", "FunctionName", "TopicName", "VectorBucketName"}
        and resource["Type"] not in {"AWS::Lambda::Permission", "AWS::Lambda::EventSourceMapping"}
    }
    assert named == set()


def test_no_template_names_the_machine_it_was_made_on(synthesis: Synthesis) -> None:
    for template in synthesis.templates.values():
        assert str(synthesis.folder.parent) not in template.text()
        assert "aws:asset:path" not in template.text()
