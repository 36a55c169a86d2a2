"""What no stack of any environment may hold."""

from __future__ import annotations

import json

from tests.stacks.synthesis import Synthesis
from tests.stacks.templates import as_list

WILDCARD_ACTIONS = {
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
    "ec2:UnassignPrivateIpAddresses",
    "ecr:GetAuthorizationToken",
    "cloudwatch:PutMetricData",
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


def test_the_only_managed_policy_is_api_gateways(synthesis: Synthesis) -> None:
    managed = [
        json.dumps(policy)
        for template in synthesis.templates.values()
        for role in template.properties("AWS::IAM::Role")
        for policy in role.get("ManagedPolicyArns", [])
    ]
    assert len(managed) == 1
    assert "AmazonAPIGatewayPushToCloudWatchLogs" in managed[0]


def test_nobody_but_named_services_may_assume_a_role(synthesis: Synthesis) -> None:
    principals = {
        json.dumps(statement["Principal"])
        for template in synthesis.templates.values()
        for role in template.properties("AWS::IAM::Role")
        for statement in role["AssumeRolePolicyDocument"]["Statement"]
    }
    assert principals == {
        json.dumps({"Service": f"{service}.amazonaws.com"})
        for service in ("apigateway", "lambda", "sagemaker", "vpc-flow-logs")
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
