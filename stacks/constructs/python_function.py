"""A Lambda function from a bundle, and the layer that functions share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks.bundles import Bundle
from stacks.constructs.encryption_key import EncryptionKey
from stacks.constructs.function_rights import FunctionRights
from stacks.constructs.log_group import encrypted_log_group
from stacks.constructs.private_network import PrivateNetwork
from stacks.naming import Names
from twin.settings import Environment

RUNTIME = lambda_.Runtime.PYTHON_3_14
ARCHITECTURE = lambda_.Architecture.ARM_64


@dataclass(frozen=True, slots=True)
class FunctionPlace:
    """What surrounds every function of an environment: settings, the key of its logs, network, rights."""

    environment: Environment
    key: EncryptionKey
    network: PrivateNetwork
    rights: FunctionRights

    @property
    def common_variables(self) -> dict[str, str]:
        """Environment variables that every function gets, beside its service name."""
        names = Names(self.environment.name)
        return {
            "LOG_LEVEL": self.environment.functions.log_level,
            "POWERTOOLS_METRICS_NAMESPACE": names.metrics_namespace,
            "TWIN_ENVIRONMENT": self.environment.name,
        }


class PythonFunction(Construct):
    """A function with a role, a log group and, unless `traced` is false, traces."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        noun: str,
        bundle: Bundle,
        handler: str,
        memory_mib: int,
        timeout: cdk.Duration,
        place: FunctionPlace,
        description: str,
        variables: Mapping[str, str] | None = None,
        layers: list[lambda_.ILayerVersion] | None = None,
        traced: bool = True,
        private: bool = True,
    ) -> None:
        super().__init__(scope, construct_id)
        group = place.network.function_group if private and place.network.private_functions else None
        log_group = encrypted_log_group(self, "Logs", settings=place.environment.logs, key=place.key)
        self.role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        log_group.grant_write(self.role)
        if traced or group is not None:
            place.rights.grant(self.role)
        self.function = lambda_.Function(
            self,
            "Function",
            description=description,
            runtime=RUNTIME,
            architecture=ARCHITECTURE,
            code=lambda_.Code.from_asset(str(bundle.path), asset_hash=bundle.asset_hash),
            handler=handler,
            role=self.role,
            log_group=log_group,
            memory_size=memory_mib,
            timeout=timeout,
            environment={
                "POWERTOOLS_SERVICE_NAME": noun,
                **place.common_variables,
                **(variables or {}),
            },
            layers=layers,
            vpc=place.network.vpc if group else None,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED) if group else None,
            security_groups=[group] if group else None,
        )
        if traced:
            self._trace()

    def _trace(self) -> None:
        """Switch traces on below the L2, which would give the role a statement of its own for them."""
        resource = self.function.node.default_child
        if not isinstance(resource, lambda_.CfnFunction):
            raise TypeError(f"{self.function.node.path} has no AWS::Lambda::Function")
        resource.tracing_config = lambda_.CfnFunction.TracingConfigProperty(mode="Active")


def retrieval_layer(scope: Construct, construct_id: str, bundle: Bundle) -> lambda_.LayerVersion:
    """The encoder and its weights. Each stack has its own version: an export would lock the one in use."""
    return lambda_.LayerVersion(
        scope,
        construct_id,
        description="Sentence encoder, chunking and search, shared by the orchestrator and ingestion",
        code=lambda_.Code.from_asset(str(bundle.path), asset_hash=bundle.asset_hash),
        compatible_runtimes=[RUNTIME],
        compatible_architectures=[ARCHITECTURE],
    )
