"""The authorizer names the key; API Gateway checks it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from authorizer.handler import UnauthorizedError, handler
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]
METHOD = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/v1stage/POST/v1/chat/completions"
KEY = "k" * 40


def authorize(token: Any, method: str = METHOD) -> dict[str, Any]:
    return handler({"type": "TOKEN", "authorizationToken": token, "methodArn": method}, None)


def test_a_bearer_key_becomes_the_usage_identifier() -> None:
    assert authorize(f"Bearer {KEY}") == {
        "principalId": "dc4c5d17d972b66638dd360cf701ca3d",
        "usageIdentifierKey": KEY,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": "execute-api:Invoke",
                    "Resource": "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/v1stage/*/*",
                }
            ],
        },
    }


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=128))
def test_any_key_is_passed_on_as_it_is(key: str) -> None:
    answer = authorize(f"Bearer {key}")
    assert answer["usageIdentifierKey"] == key
    assert key not in answer["principalId"] or len(key) < 32


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer"])
def test_the_scheme_is_case_insensitive(scheme: str) -> None:
    assert authorize(f"{scheme} {KEY}")["usageIdentifierKey"] == KEY


@pytest.mark.parametrize(
    "token",
    [
        None,
        "",
        KEY,
        "Bearer",
        "Bearer ",
        f"Basic {KEY}",
        f"Bearer {KEY} {KEY}",
        f" Bearer {KEY}",
        f"Bearer {KEY}\n",
        "Bearer clé",
        "Bearer " + "k" * 129,
    ],
)
def test_anything_else_is_unauthorized(token: str | None) -> None:
    with pytest.raises(UnauthorizedError, match=r"^Unauthorized$"):
        authorize(token)


def test_a_request_without_the_header_is_unauthorized() -> None:
    with pytest.raises(UnauthorizedError):
        handler({"methodArn": METHOD}, None)


@pytest.mark.parametrize("method", ["GET/v1/models", "GET/", "OPTIONS/a/b/c"])
def test_a_cached_answer_fits_every_method(method: str) -> None:
    arn = f"arn:aws:execute-api:us-east-1:000000000000:api/dev/{method}"
    [statement] = authorize(f"Bearer {KEY}", arn)["policyDocument"]["Statement"]
    assert statement["Resource"] == "arn:aws:execute-api:us-east-1:000000000000:api/dev/*/*"


def test_the_key_is_never_printed(capfd: pytest.CaptureFixture[str]) -> None:
    authorize(f"Bearer {KEY}")
    assert capfd.readouterr() == ("", "")


def test_the_standard_library_is_enough() -> None:
    command = [sys.executable, "-S", "-c", "import authorizer.handler"]
    environment = {"PYTHONPATH": str(ROOT / "lambda/authorizer")}
    subprocess.run(command, env=environment, check=True)
