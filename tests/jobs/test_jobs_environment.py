"""The environment variables as typed models."""

from __future__ import annotations

import json

import pytest
from jobs.environment import Common, OutcomesEnvironment, SweepEnvironment, WebhooksEnvironment
from pydantic import ValidationError

from tests.jobs import variables

CASES: list[tuple[type[Common], dict[str, str]]] = [
    (OutcomesEnvironment, variables.OUTCOMES),
    (SweepEnvironment, variables.SWEEP),
    (WebhooksEnvironment, variables.WEBHOOKS),
]


@pytest.mark.parametrize(("model", "given"), CASES)
def test_each_function_reads_its_own_variables(model: type[Common], given: dict[str, str]) -> None:
    assert model.variables() == {*given, "LOG_LEVEL"}
    found = model.read(given)
    assert (found.twin_environment, found.log_level) == ("test", "INFO")


@pytest.mark.parametrize(
    ("model", "given", "name"), [(model, given, name) for model, given in CASES for name in sorted(given)]
)
def test_a_missing_variable_is_named(model: type[Common], given: dict[str, str], name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        model.read({key: value for key, value in given.items() if key != name})


def test_batches_need_not_be_deployed() -> None:
    assert (
        SweepEnvironment.read({**variables.SWEEP, "BATCH_STATE_MACHINE_ARN": ""}).batch_state_machine_arn
        == ""
    )


def test_webhooks_are_read_by_client() -> None:
    found = WebhooksEnvironment.read(variables.WEBHOOKS).webhooks
    assert {name: (each.url, each.secret_id) for name, each in found.items()} == {
        "app": ("https://app.example/hook", "twin-test-webhook-app")
    }


@pytest.mark.parametrize(
    "url", ["", "app.example", "ftp://app.example", "file:///etc/passwd", "https://", "https://a b"]
)
def test_a_url_that_cannot_be_posted_to_is_refused(url: str) -> None:
    webhooks = json.dumps({"app": {"url": url, "secret_id": "hook"}})
    with pytest.raises(ValidationError, match="url"):
        WebhooksEnvironment.read({**variables.WEBHOOKS, "WEBHOOKS": webhooks})
