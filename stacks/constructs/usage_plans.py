"""Tiers as usage plans, clients as API keys."""

from __future__ import annotations

from collections.abc import Collection

from aws_cdk import aws_apigateway as apigateway
from constructs import Construct

from stacks.naming import Names
from twin.settings.api import ApiSettings, Tier


class UsagePlans(Construct):
    """One plan for each tier, one key for each client. API Gateway generates the keys' values."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: Names,
        settings: ApiSettings,
        api: apigateway.RestApi,
    ) -> None:
        super().__init__(scope, construct_id)
        plans = {
            name: self._plan(name, names.tier(name), tier, api.deployment_stage)
            for name, tier in settings.tiers.items()
        }
        self._keys: dict[str, apigateway.ApiKey] = {}
        for client, tier in settings.clients.items():
            # Below its plan, so that a client of another tier gets another key: a key can have one plan for a
            # stage, and CloudFormation would add it to the new plan before it leaves the old one.
            key = apigateway.ApiKey(
                plans[tier],
                f"Key-{client}",
                api_key_name=names.client_key(client),
                description=f"Tier {tier}",
            )
            plans[tier].add_api_key(key)
            self._keys[client] = key

    def names_by_key(self, clients: Collection[str]) -> str:
        """Names of these clients by the id of their key, as JSON: functions see the id alone."""
        entries = (f'"{key.key_id}":"{client}"' for client, key in self._keys.items() if client in clients)
        return "{" + ",".join(entries) + "}"

    def _plan(self, tier_name: str, name: str, tier: Tier, stage: apigateway.Stage) -> apigateway.UsagePlan:
        return apigateway.UsagePlan(
            self,
            f"Plan-{tier_name}",
            name=name,
            api_stages=[apigateway.UsagePlanPerApiStage(api=stage.rest_api, stage=stage)],
            throttle=apigateway.ThrottleSettings(rate_limit=tier.rate_per_second, burst_limit=tier.burst),
            quota=apigateway.QuotaSettings(limit=tier.quota_per_day, period=apigateway.Period.DAY),
        )
