"""Resource types that MiniStack's CloudFormation lacks."""

from __future__ import annotations

from typing import Any


def test_flow_log(cloud: Any) -> None:
    logs = cloud.client("ec2").describe_flow_logs()["FlowLogs"]
    assert [log["FlowLogId"] for log in logs] == [cloud.outputs["FlowLog"]]
    assert (logs[0]["TrafficType"], logs[0]["LogDestination"]) == ("REJECT", "flows")


def test_security_group_ingress(cloud: Any) -> None:
    groups = cloud.client("ec2").describe_security_groups(GroupIds=[cloud.outputs["Group"]])
    rules = groups["SecurityGroups"][0]["IpPermissions"]
    assert [(rule["FromPort"], rule["IpRanges"][0]["CidrIp"]) for rule in rules] == [(443, "10.0.0.0/16")]


def test_web_acl_association(cloud: Any) -> None:
    associated = cloud.client("wafv2").list_resources_for_web_acl(WebACLArn=cloud.outputs["Acl"])
    assert associated["ResourceArns"] == [
        f"arn:aws:apigateway:us-east-1::/restapis/{cloud.outputs['Api']}/stages/v"
    ]


def test_layers_are_unpacked_and_not_kept_in_memory(cloud: Any) -> None:
    """The layer's archive is not in the saved state; its folder is under packages."""
    layers = cloud.client("lambda").list_layers()["Layers"]
    assert len(layers) == 1
    unpacked = list(cloud.options.layout.packages.glob("*/python/inlayer.py"))
    assert len(unpacked) == 1
