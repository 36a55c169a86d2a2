"""Where model versions are registered and approved, and what running one takes."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from stacks.base_stack import TwinStack
from stacks.constructs.model_rights import ModelRights
from stacks.constructs.object_bucket import ObjectBucket
from stacks.constructs.private_network import PrivateNetwork
from twin.settings import Environment


class RegistryStack(TwinStack):
    """The model package group, and the rights that the roles of all deployment types share."""

    def __init__(
        self,
        scope: Construct,
        *,
        environment: Environment,
        exchange: ObjectBucket,
        network: PrivateNetwork,
    ) -> None:
        super().__init__(scope, "registry", environment=environment, description="LLM twin: model registry")
        group = sagemaker.CfnModelPackageGroup(
            self,
            "Models",
            model_package_group_name=self.names.model_package_group,
            model_package_group_description=f"Versions of the twin's model in {environment.name}",
        )
        group.apply_removal_policy(
            cdk.RemovalPolicy.RETAIN if environment.retains_data else cdk.RemovalPolicy.DESTROY
        )
        self.model_rights = ModelRights(
            self, "ModelRights", source=environment.model.source, exchange=exchange, network=network
        )
