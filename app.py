"""The composition root: an environment file becomes stacks, which are checked and synthesized."""

from __future__ import annotations

import sys
from pathlib import Path

import aws_cdk as cdk

from stacks.api_stack import ApiStack
from stacks.asynchronous_stack import AsynchronousStack
from stacks.batch_stack import BatchStack
from stacks.bundles import Bundle, Bundles
from stacks.constructs.checks import add_checks
from stacks.constructs.python_function import FunctionPlace
from stacks.ingestion_stack import IngestionStack
from stacks.jobs_stack import JobsStack
from stacks.network_stack import NetworkStack
from stacks.realtime_stack import RealtimeStack
from stacks.registry_stack import RegistryStack
from stacks.storage_stack import StorageStack
from twin.bundling import BundlingError, Target, ensure
from twin.settings import Environment, SettingsError, load

ROOT = Path(__file__).parent
_BUNDLES_STAY_IN_PLACE = "aws:cdk:disable-asset-staging"
"""Bundles never change once built, so the assembly refers to them instead of holding copies."""


def compose(app: cdk.App, environment: Environment, bundles: Bundles) -> None:
    """Put the stacks of one environment together, to be checked when they are synthesized."""
    put_together(app, environment, bundles)
    add_checks(app)


def put_together(app: cdk.App, environment: Environment, bundles: Bundles) -> None:
    """Put the stacks of one environment together."""
    storage = StorageStack(app, environment=environment)
    networking = NetworkStack(app, environment=environment, key=storage.key)
    network = networking.network
    rights = RegistryStack(
        app, environment=environment, exchange=storage.exchange, network=network
    ).model_rights
    RealtimeStack(app, environment=environment, key=storage.key, network=network, rights=rights)
    place = FunctionPlace(environment, storage.key, network, networking.function_rights)
    webhooks = JobsStack(app, environment=environment, bundles=bundles, storage=storage, place=place).webhooks
    if environment.asynchronous is not None:
        AsynchronousStack(
            app,
            environment=environment,
            asynchronous=environment.asynchronous,
            bundles=bundles,
            storage=storage,
            webhooks=webhooks,
            rights=rights,
            place=place,
        )
    if environment.batch is not None:
        BatchStack(
            app,
            environment=environment,
            batch=environment.batch,
            bundles=bundles,
            storage=storage,
            webhooks=webhooks,
            rights=rights,
            place=place,
        )
    IngestionStack(app, environment=environment, bundles=bundles, storage=storage, place=place)
    ApiStack(app, environment=environment, bundles=bundles, storage=storage, webhooks=webhooks, place=place)


def main() -> None:
    """Synthesize the environment that `-c env=<name>` names; local without it."""
    app = cdk.App(analytics_reporting=False, context={_BUNDLES_STAY_IN_PLACE: True})
    name = app.node.try_get_context("env") or "local"
    try:
        environment = load(ROOT / "environments" / f"{name}.yaml")
        built = ensure(ROOT, Target.host() if environment.local else Target.aws())
    except (SettingsError, BundlingError) as error:
        sys.exit(str(error))
    compose(app, environment, Bundles(**{noun: Bundle(b.path, b.digest) for noun, b in built.items()}))
    app.synth()


if __name__ == "__main__":
    main()
