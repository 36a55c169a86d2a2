"""The function's environment variables."""

from __future__ import annotations

import pytest
from orchestrator.environment import Environment
from pydantic import ValidationError

from tests.orchestrator.fakes import PERSONA, VARIABLES, environment

JOBS = {
    "JOBS_TABLE_NAME",
    "EXCHANGE_BUCKET_NAME",
    "JOB_RETENTION_DAYS",
    "ASYNC_ENDPOINT_NAME",
    "ASYNC_REQUEST_TTL_SECONDS",
    "ASYNC_INVOCATION_TIMEOUT_SECONDS",
    "BATCH_STATE_MACHINE_ARN",
    "WEBHOOK_QUEUE_URL",
    "WEBHOOK_CLIENTS",
}
OPTIONAL = {"LOG_LEVEL", "LOG_CONTENT", *JOBS}


def test_variables_become_typed_settings() -> None:
    settings = environment(LOG_CONTENT="true", MODEL_TIMEOUT_SECONDS="90")
    assert settings.max_model_len == 4096
    assert settings.retrieval_min_score == 0.25
    assert settings.model_timeout_seconds == 90
    assert settings.log_content is True
    assert settings.persona.model_dump() == PERSONA


def test_every_variable_is_listed() -> None:
    assert Environment.variables() == frozenset(VARIABLES)


@pytest.mark.parametrize("name", sorted(set(VARIABLES) - OPTIONAL))
def test_a_missing_variable_is_named(name: str) -> None:
    variables = {key: value for key, value in VARIABLES.items() if key != name}
    with pytest.raises(ValidationError, match=rf"1 validation error for Environment\n{name}\n"):
        Environment.read(variables)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_MODEL_LEN", "0"),
        ("MAX_MODEL_LEN", "many"),
        ("RETRIEVAL_TOP_K", "101"),
        ("RETRIEVAL_MIN_SCORE", "2"),
        ("RETRIEVAL_FALLBACK", "guess"),
        ("MODEL_TIMEOUT_SECONDS", "0"),
        ("MODEL_ID", ""),
        ("LOG_LEVEL", "LOUD"),
        ("PERSONA", "{"),
        ("PERSONA", '{"name": "Ada"}'),
    ],
)
def test_a_wrong_variable_is_named(name: str, value: str) -> None:
    with pytest.raises(ValidationError, match=name):
        environment(**{name: value})


def test_an_answer_must_fit_the_context() -> None:
    with pytest.raises(
        ValidationError, match=r"MAX_OUTPUT_TOKENS \(4096\) must be less than MAX_MODEL_LEN \(4096\)"
    ):
        environment(MAX_OUTPUT_TOKENS="4096")


def test_without_jobs_their_variables_are_absent_or_empty() -> None:
    absent = Environment.read({name: value for name, value in VARIABLES.items() if name not in JOBS})
    empty = environment(**dict.fromkeys(JOBS - {"WEBHOOK_CLIENTS"}, ""), WEBHOOK_CLIENTS="{}")
    assert absent == empty
    assert empty.async_endpoint_name == ""
    assert empty.async_request_ttl_seconds is None
    assert empty.webhook_clients == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"JOBS_TABLE_NAME": ""}, "ASYNC_ENDPOINT_NAME is set, so JOBS_TABLE_NAME must be too"),
        (
            {"ASYNC_REQUEST_TTL_SECONDS": "", "ASYNC_INVOCATION_TIMEOUT_SECONDS": ""},
            "ASYNC_ENDPOINT_NAME is set, so ASYNC_INVOCATION_TIMEOUT_SECONDS, ASYNC_REQUEST_TTL_SECONDS must",
        ),
        (
            {"ASYNC_ENDPOINT_NAME": "", "EXCHANGE_BUCKET_NAME": ""},
            "BATCH_STATE_MACHINE_ARN is set, so EXCHANGE_BUCKET_NAME must be too",
        ),
    ],
)
def test_what_takes_jobs_needs_a_place_for_them(changes: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        environment(**changes)
