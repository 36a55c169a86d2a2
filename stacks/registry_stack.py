"""Where model versions are registered and approved."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from stacks.base_stack import TwinStack
from twin.settings import Environment


class RegistryStack(TwinStack):
    """The model package group."""

    def __init__(self, scope: Construct, *, environment: Environment) -> None:
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
