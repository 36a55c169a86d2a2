"""A network without a way to the internet."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.constructs.checks import acknowledge_template_warning
from stacks.constructs.encryption_key import EncryptionKey
from stacks.constructs.log_group import encrypted_log_group
from twin.settings.functions import LogSettings
from twin.settings.network import NetworkSettings

_HTTPS = ec2.Port.tcp(443)
_SUBNET_BITS = 3
"""Each subnet is an eighth of the network, however many there are, so that a zone can be added later."""

_S3_ACTIONS = (
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:GetBucketLocation",
    "s3:GetObject",
    "s3:ListBucket",
    "s3:ListMultipartUploadParts",
    "s3:PutObject",
)

_DYNAMODB_ACTIONS = (
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:UpdateItem",
)


@dataclass(frozen=True, slots=True)
class _Service:
    """An AWS service that functions call, and what they call on it."""

    name: str
    service: ec2.InterfaceVpcEndpointAwsService
    actions: tuple[str, ...]


_FUNCTION_SERVICES = (
    _Service(
        "SageMakerRuntime",
        ec2.InterfaceVpcEndpointAwsService.SAGEMAKER_RUNTIME,
        (
            "sagemaker:InvokeEndpoint",
            "sagemaker:InvokeEndpointAsync",
            "sagemaker:InvokeEndpointWithResponseStream",
        ),
    ),
    _Service(
        "S3Vectors",
        ec2.InterfaceVpcEndpointAwsService.S3_VECTORS,
        (
            "s3vectors:DeleteVectors",
            "s3vectors:GetVectors",
            "s3vectors:ListVectors",
            "s3vectors:PutVectors",
            "s3vectors:QueryVectors",
        ),
    ),
    _Service(
        "Sqs",
        ec2.InterfaceVpcEndpointAwsService.SQS,
        ("sqs:ChangeMessageVisibility", "sqs:SendMessage"),
    ),
)
_BATCH_SERVICES = (
    _Service(
        "StepFunctions",
        ec2.InterfaceVpcEndpointAwsService.STEP_FUNCTIONS,
        ("states:DescribeExecution", "states:StartExecution"),
    ),
    _Service(
        "SageMakerApi", ec2.InterfaceVpcEndpointAwsService.SAGEMAKER_API, ("sagemaker:StopTransformJob",)
    ),
)
"""Model containers call nothing: SageMaker itself brings their image and weights and takes their logs."""


class PrivateNetwork(Construct):
    """Isolated subnets, gateway endpoints, interface endpoints for what runs here, flow logs."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: NetworkSettings,
        logs: LogSettings,
        key: EncryptionKey,
        batches: bool,
    ) -> None:
        super().__init__(scope, construct_id)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(settings.cidr),
            availability_zones=list(settings.availability_zones),
            nat_gateways=0,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="isolated",
                    subnet_type=ec2.SubnetType.PRIVATE_ISOLATED,
                    cidr_mask=IPv4Network(settings.cidr).prefixlen + _SUBNET_BITS,
                )
            ],
            # Emptying the default group takes a custom resource with rights on every group; nothing uses it.
            restrict_default_security_group=False,
        )
        acknowledge_template_warning(
            self.vpc,
            "W3010",
            reason="The settings name the zones: the GPU types are not offered in every zone of a region.",
        )
        self.vpc.add_flow_log(
            "FlowLog",
            destination=ec2.FlowLogDestination.to_cloud_watch_logs(
                encrypted_log_group(self, "FlowLogs", settings=logs, key=key)
            ),
        )
        gateway = self.vpc.add_gateway_endpoint("S3", service=ec2.GatewayVpcEndpointAwsService.S3)
        gateway.add_to_policy(self._only_this_account(_S3_ACTIONS))
        self.model_group = self._group("Models", "Model containers: no way in, out only to S3")
        self.model_group.add_egress_rule(ec2.Peer.any_ipv4(), _HTTPS, "S3 through its gateway endpoint")
        self.private_functions = settings.private_functions
        self.function_group = self._group("Functions", "Functions: no way in, out only to AWS services")
        self.function_group.add_egress_rule(
            ec2.Peer.any_ipv4(), _HTTPS, "AWS services through their endpoints"
        )
        # Made and exported in any case: functions that leave the network let go of it only after this stack.
        self.vpc.stack.export_value(self.function_group.security_group_id)
        if settings.private_functions:
            self._add_service_endpoints([*_FUNCTION_SERVICES, *(_BATCH_SERVICES if batches else ())])

    @property
    def vpc_arn(self) -> str:
        """ARN of the network."""
        return self.vpc.stack.format_arn(service="ec2", resource="vpc", resource_name=self.vpc.vpc_id)

    @property
    def subnet_ids(self) -> list[str]:
        """Ids of the isolated subnets."""
        return [subnet.subnet_id for subnet in self.vpc.isolated_subnets]

    def _add_service_endpoints(self, services: list[_Service]) -> None:
        tables = self.vpc.add_gateway_endpoint("DynamoDb", service=ec2.GatewayVpcEndpointAwsService.DYNAMODB)
        tables.add_to_policy(self._only_this_account(_DYNAMODB_ACTIONS))
        endpoints = self._group("Endpoints", "Interface endpoints: reached from the functions alone")
        endpoints.add_ingress_rule(self.function_group, _HTTPS, "From the functions")
        for called in services:
            endpoint = self.vpc.add_interface_endpoint(
                called.name,
                service=called.service,
                security_groups=[endpoints],
                open=False,
                private_dns_enabled=True,
            )
            endpoint.add_to_policy(self._only_this_account(called.actions))

    def _group(self, name: str, description: str) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(self, name, vpc=self.vpc, description=description, allow_all_outbound=False)

    def _only_this_account(self, actions: tuple[str, ...]) -> iam.PolicyStatement:
        """Credentials of another account, carried in from elsewhere, are of no use here."""
        return iam.PolicyStatement(
            principals=[iam.AnyPrincipal()],
            actions=list(actions),
            resources=["*"],
            conditions={"StringEquals": {"aws:PrincipalAccount": self.vpc.stack.account}},
        )
