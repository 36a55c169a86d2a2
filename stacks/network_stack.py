"""The private network."""

from __future__ import annotations

from constructs import Construct

from stacks.base_stack import TwinStack
from stacks.constructs.encryption_key import EncryptionKey
from stacks.constructs.function_rights import FunctionRights
from stacks.constructs.private_network import PrivateNetwork
from twin.settings import Environment


class NetworkStack(TwinStack):
    """Isolated subnets, the endpoints through which they reach AWS, and what functions need to join them."""

    def __init__(self, scope: Construct, *, environment: Environment, key: EncryptionKey) -> None:
        self._zones = list(environment.network.availability_zones)
        super().__init__(scope, "network", environment=environment, description="LLM twin: private network")
        self.network = PrivateNetwork(
            self,
            "Network",
            settings=environment.network,
            logs=environment.logs,
            key=key,
            batches=environment.batch is not None,
        )
        self.function_rights = FunctionRights(
            self, "FunctionRights", private=environment.network.private_functions
        )

    @property
    def availability_zones(self) -> list[str]:
        """The zones of the settings. CDK would otherwise ask the account for its zones at synthesis."""
        return self._zones
