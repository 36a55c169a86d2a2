"""Whose jobs a request may see."""

from __future__ import annotations

import json

import pytest
from orchestrator.jobs.owner import LOCAL, REQUEST_CONTEXT, owner
from prompting.errors import ApiError


def context(identity: object) -> dict[str, str]:
    return {REQUEST_CONTEXT: json.dumps({"identity": identity, "stage": "prod"})}


def test_the_owner_is_the_api_keys_id() -> None:
    assert owner(context({"apiKeyId": "a1b2c3d4e5", "apiKey": "secret"})) == "a1b2c3d4e5"


def test_without_an_api_gateway_there_is_one_owner() -> None:
    assert owner({}) == LOCAL


@pytest.mark.parametrize("identity", [{}, None, {"apiKeyId": None}, {"apiKeyId": ""}, {"apiKeyId": 1}])
def test_a_request_without_a_key_is_nobodys(identity: object) -> None:
    with pytest.raises(ApiError):
        owner(context(identity))


@pytest.mark.parametrize("key_id", ["a" * 27, "a:b", "a/b", "../a", "ä"])
def test_an_id_that_would_not_fit_is_refused(key_id: str) -> None:
    with pytest.raises(ApiError) as raised:
        owner(context({"apiKeyId": key_id}))
    assert str(raised.value.__cause__) == f"API key id {key_id!r} is not 1 to 26 letters, digits, _ or -"


@pytest.mark.parametrize("header", ["", "{", "[]", '"a"', "{}"])
def test_a_context_that_is_none_is_refused(header: str) -> None:
    with pytest.raises(ApiError):
        owner({REQUEST_CONTEXT: header})
