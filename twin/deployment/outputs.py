"""Reads what was deployed: stack outputs and API keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from stacks.naming import Names, Outputs

if TYPE_CHECKING:
    from twin.deployment.target import Target


class NotDeployedError(Exception):
    """The environment, or a part of it, is not deployed where it was looked for."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """What tools need to know of one deployed environment."""

    target: Target

    @property
    def names(self) -> Names:
        return Names(self.target.environment)

    def output(self, stack_noun: str, key: str) -> str:
        """Return one CloudFormation output, or raise `NotDeployedError`."""
        name = self.names.stack(stack_noun)
        try:
            described: dict[str, Any] = self.target.client("cloudformation").describe_stacks(StackName=name)
        except ClientError as error:
            command = "make up" if self.target.is_local else f"make deploy ENV={self.target.environment}"
            raise NotDeployedError(
                f"stack {name} is not deployed in {self.target.region}; `{command}` deploys it"
            ) from error
        for output in described["Stacks"][0].get("Outputs", []):
            if output["OutputKey"] == key:
                return str(output["OutputValue"])
        raise NotDeployedError(f"stack {name} has no output {key}; deploy it anew")

    def base_url(self) -> str:
        """URL for an OpenAI client, without a trailing slash."""
        if self.target.endpoint_url is None:
            return self.output("api", Outputs.API_URL).rstrip("/") + "/v1"
        api = self.output("api", Outputs.API_ID)
        stages = self.target.client("apigateway").get_stages(restApiId=api)["item"]
        return f"{self.target.endpoint_url}/restapis/{api}/{stages[0]['stageName']}/_user_request_/v1"

    def api_key(self, client: str) -> str:
        """Value of the API key of one client of the environment file."""
        name = self.names.client_key(client)
        found = self.target.client("apigateway").get_api_keys(nameQuery=name, includeValues=True)["items"]
        for key in found:
            if key["name"] == name:
                return str(key["value"])
        raise NotDeployedError(
            f"no API key is named {name}; clients are listed under api.clients in the environment file"
        )
