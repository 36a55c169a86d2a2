"""The realtime deployment of the model."""

from __future__ import annotations

from constructs import Construct

from stacks.base_stack import TwinStack
from stacks.constructs.copy_scaling import CopyScaling
from stacks.constructs.encryption_key import EncryptionKey
from stacks.constructs.execution_role import ModelExecutionRole
from stacks.constructs.log_group import encrypted_log_group
from stacks.constructs.model_rights import ModelRights
from stacks.constructs.private_network import PrivateNetwork
from stacks.constructs.realtime_endpoint import RealtimeEndpoint
from stacks.naming import Outputs
from twin.settings import Environment


class RealtimeStack(TwinStack):
    """The endpoint, what its role may do, and how it scales."""

    def __init__(
        self,
        scope: Construct,
        *,
        environment: Environment,
        key: EncryptionKey,
        network: PrivateNetwork,
        rights: ModelRights,
    ) -> None:
        super().__init__(
            scope, "realtime", environment=environment, description="LLM twin: realtime endpoint"
        )
        role = ModelExecutionRole(
            self, "ExecutionRole", rights=rights, description="Runs the model on the realtime endpoint"
        )
        rights.grant_weights(role.role)
        role.allow_image(environment.model.image)
        role.allow_volume_encryption(key)
        for construct_id, name in zip(
            ("EndpointLogs", "ModelLogs"), self.names.model_log_groups, strict=True
        ):
            role.allow_logs(
                encrypted_log_group(self, construct_id, settings=environment.logs, key=key, name=name)
            )
        endpoint = RealtimeEndpoint(
            self,
            "Endpoint",
            names=self.names,
            model=environment.model,
            realtime=environment.realtime,
            network=network,
            key=key,
            execution_role=role,
        )
        CopyScaling(
            self,
            "Scaling",
            names=self.names,
            settings=environment.realtime,
            component=endpoint.inference_component,
        )
        self.output(Outputs.ENDPOINT, self.names.endpoint)
