"""The network stack."""

from __future__ import annotations

import json

import aws_cdk as cdk
import pytest
from aws_cdk import assertions

from stacks.constructs.encryption_key import EncryptionKey
from stacks.constructs.private_network import PrivateNetwork
from tests.stacks.synthesis import Synthesis
from tests.stacks.templates import as_list

PUBLIC = (
    "AWS::EC2::NatGateway",
    "AWS::EC2::InternetGateway",
    "AWS::EC2::EgressOnlyInternetGateway",
    "AWS::EC2::Route",
    "AWS::EC2::EIP",
)


@pytest.mark.parametrize("kind", PUBLIC)
def test_nothing_leads_to_the_internet(synthesis: Synthesis, kind: str) -> None:
    assert synthesis.network.resources(kind) == {}


def test_there_is_a_subnet_in_each_zone_of_the_settings(synthesis: Synthesis) -> None:
    subnets = synthesis.network.properties("AWS::EC2::Subnet")
    assert [subnet["AvailabilityZone"] for subnet in subnets] == list(
        synthesis.environment.network.availability_zones
    )
    assert {subnet["MapPublicIpOnLaunch"] for subnet in subnets} == {False}


def test_a_zone_more_moves_no_subnet_that_exists(synthesis: Synthesis) -> None:
    subnets = synthesis.network.properties("AWS::EC2::Subnet")
    assert [subnet["CidrBlock"] for subnet in subnets] == ["10.40.0.0/19", "10.40.32.0/19"]


def test_functions_can_leave_the_network_again(dev: Synthesis, prod: Synthesis) -> None:
    """The network is updated first, and cannot drop an export that the functions' stacks still import."""
    assert prod.environment.network.private_functions
    assert not dev.environment.network.private_functions
    assert set(dev.network.body["Outputs"]) == set(prod.network.body["Outputs"])


def test_flow_logs_cover_all_traffic(synthesis: Synthesis) -> None:
    vpc, _ = synthesis.network.find("Network/Vpc")
    flow_log = synthesis.network.only("AWS::EC2::FlowLog")
    assert flow_log["ResourceId"] == {"Ref": vpc}
    assert flow_log["TrafficType"] == "ALL"


def services(synthesis: Synthesis, kind: str) -> set[str]:
    """Names of the services with an endpoint of this kind."""
    names = set()
    for endpoint in synthesis.network.properties("AWS::EC2::VPCEndpoint"):
        if endpoint["VpcEndpointType"] == kind:
            name = endpoint["ServiceName"]
            # A gateway's name is put together at deployment; its last part is the service.
            text = name if isinstance(name, str) else name["Fn::Join"][1][-1]
            names.add(text.removeprefix("com.amazonaws.us-east-1").removeprefix("."))
    return names


def test_s3_and_tables_are_reached_through_gateways(synthesis: Synthesis) -> None:
    """Models read no table, so only functions in the network have a way to them."""
    private = synthesis.environment.network.private_functions
    assert services(synthesis, "Gateway") == ({"s3", "dynamodb"} if private else {"s3"})


def test_only_used_services_have_interface_endpoints(synthesis: Synthesis) -> None:
    used = (
        {"sagemaker.api", "sagemaker.runtime", "s3vectors", "sqs", "states"}
        if synthesis.environment.network.private_functions
        else set()
    )
    assert services(synthesis, "Interface") == used


def test_what_only_batches_call_has_an_endpoint_only_where_there_are_batches(prod: Synthesis) -> None:
    stack = cdk.Stack(cdk.App(), "network", env=cdk.Environment(account="333333333333", region="us-east-1"))
    PrivateNetwork(
        stack,
        "Network",
        settings=prod.environment.network,
        logs=prod.environment.logs,
        key=EncryptionKey(stack, "Key", alias="alias/key", removal=cdk.RemovalPolicy.DESTROY),
        batches=False,
    )
    text = json.dumps(assertions.Template.from_stack(stack).to_json())
    assert "us-east-1.sqs" in text
    assert "us-east-1.states" not in text
    assert "sagemaker.api" not in text


def test_endpoints_serve_only_this_account_and_named_actions(synthesis: Synthesis) -> None:
    for endpoint in synthesis.network.properties("AWS::EC2::VPCEndpoint"):
        [statement] = endpoint["PolicyDocument"]["Statement"]
        assert statement["Condition"] == {
            "StringEquals": {"aws:PrincipalAccount": synthesis.environment.account}
        }
        assert not [action for action in as_list(statement["Action"]) if "*" in action]


def test_security_groups_let_nothing_in_from_outside(synthesis: Synthesis) -> None:
    groups = synthesis.network.properties("AWS::EC2::SecurityGroup")
    assert groups
    assert not [group for group in groups if "SecurityGroupIngress" in group]
    for rule in synthesis.network.properties("AWS::EC2::SecurityGroupIngress"):
        assert "SourceSecurityGroupId" in rule
        assert "CidrIp" not in rule


def test_security_groups_let_out_only_https(synthesis: Synthesis) -> None:
    for group in synthesis.network.properties("AWS::EC2::SecurityGroup"):
        for rule in group["SecurityGroupEgress"]:
            # CDK writes a rule that matches nothing where no traffic is wanted.
            assert rule["CidrIp"] == "255.255.255.255/32" or (rule["FromPort"], rule["ToPort"]) == (443, 443)
