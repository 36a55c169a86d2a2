"""The asynchronous endpoint and its jobs: what is refused, in which words, and what may be left out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.settings.conftest import REMOVED, LoadChanged, Refusal
from twin.settings.asynchronous import Instances
from twin.settings.jobs import MOST_WEBHOOKS, JobSettings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"asynchronous.instances": {"min": 5, "max": 4}},
            "asynchronous.instances.min is 5; accepted: at most max, which is 4",
        ),
        (
            {"asynchronous.instance_types.0": "ml.g6e.xlarg"},
            (
                'asynchronous.instance_types.0 is "ml.g6e.xlarg"; '
                "accepted: a GPU type that SageMaker hosts endpoints on, such as ml.g6e.xlarge"
            ),
        ),
        (
            {"asynchronous.instance_types.1": "ml.g6e.xlarge"},
            'asynchronous.instance_types.1 is "ml.g6e.xlarge"; accepted: each type once',
        ),
        (
            {"asynchronous.accelerators_per_instance": 2},
            (
                'asynchronous.instance_types.0 is "ml.g6e.xlarge"; '
                "accepted: a type with at least 2 GPUs (accelerators_per_instance); this one has 1"
            ),
        ),
        (
            {"asynchronous.max_concurrent_invocations_per_instance": 33},
            (
                "asynchronous.max_concurrent_invocations_per_instance is 33; "
                "accepted: at most model.max_num_seqs, which is 32; more would wait"
            ),
        ),
        (
            {"model.quantization": "fp8", "realtime.instance_types": ["ml.g6e.xlarge"]},
            (
                'model.quantization is "fp8"; accepted: none, awq, gptq or bitsandbytes while '
                "asynchronous.instance_types has ml.g5.2xlarge (A10G, ampere); "
                "fp8 runs on ada, blackwell, hopper"
            ),
        ),
        (
            {"asynchronous.instance_types.2": "ml.g4dn.4xlarge"},
            (
                'model.dtype is "bfloat16"; accepted: float16 while asynchronous.instance_types has '
                "ml.g4dn.4xlarge (T4, turing), which has no bfloat16"
            ),
        ),
        (
            {"asynchronous.request_ttl_seconds": 30},
            "asynchronous.request_ttl_seconds is 30; accepted: an integer from 60 to 21600 (seconds)",
        ),
        (
            {"asynchronous.invocation_timeout_seconds": 3601},
            "asynchronous.invocation_timeout_seconds is 3601; accepted: an integer from 1 to 3600 (seconds)",
        ),
        (
            {"asynchronous.rollout": {"canary_percent": 60}},
            "asynchronous.rollout.canary_percent is 60; accepted: an integer from 10 to 50 (percent)",
        ),
        (
            {"asynchronous.data_capture_percent": 101},
            "asynchronous.data_capture_percent is 101; accepted: an integer from 0 to 100 (percent)",
        ),
        (
            {"jobs.retention_days": 1},
            "jobs.retention_days is 1; accepted: an integer from 2 to 365 (days)",
        ),
        (
            {"jobs.webhooks": {"websit": "https://example.com/hook"}},
            (
                'jobs.webhooks.websit is "https://example.com/hook"; accepted: the name of a client of '
                "api.clients (website, internal) as the key; nearest: website"
            ),
        ),
        (
            {"jobs.webhooks": {"website": "http://example.com/hook"}},
            (
                'jobs.webhooks.website is "http://example.com/hook"; accepted: a URL that begins with '
                "https://; in the environment 'local' also http://127.0.0.1"
            ),
        ),
        (
            {"jobs.webhooks": {"website": "http://127.0.0.1:9000/hook"}},
            (
                'jobs.webhooks.website is "http://127.0.0.1:9000/hook"; accepted: a URL that begins with '
                "https://; in the environment 'local' also http://127.0.0.1"
            ),
        ),
        (
            {"jobs.webhooks": {"website": "https://user:secret@example.com/hook"}},
            (
                'jobs.webhooks.website is "https://user:secret@example.com/hook"; '
                "accepted: text such as 'https://example.com/hooks/twin'"
            ),
        ),
    ],
)
def test_refused(refusal: Refusal, changes: dict[str, object], message: str) -> None:
    assert refusal(changes) == f"environments/prod.yaml: {message}"


LOCAL = {"name": "local", "removal": "destroy", "local": {}}


@pytest.mark.parametrize("url", ["http://127.0.0.1:9000/hook", "http://127.0.0.1", "https://example.com"])
def test_local_may_tell_a_listener_on_the_same_machine(load_changed: LoadChanged, url: str) -> None:
    environment = load_changed({**LOCAL, "jobs.webhooks": {"website": url}})
    assert environment.jobs.webhooks == {"website": url}


@pytest.mark.parametrize("url", ["http://127.0.0.1.example.com/", "http://example.com/?h=127.0.0.1"])
def test_local_takes_no_other_address_without_tls(refusal: Refusal, url: str) -> None:
    assert "accepted: a URL that begins with https://" in refusal(
        {**LOCAL, "jobs.webhooks": {"website": url}}
    )


def test_an_environment_may_do_without_asynchronous_inference(load_changed: LoadChanged) -> None:
    environment = load_changed({"asynchronous": REMOVED, "jobs": REMOVED})
    assert environment.asynchronous is None
    assert environment.jobs == JobSettings()
    assert environment.jobs.webhooks == {}


def test_more_webhooks_than_a_functions_environment_holds_are_refused(refusal: Refusal) -> None:
    clients = {f"client-{number}": "standard" for number in range(MOST_WEBHOOKS + 1)}
    webhooks = dict.fromkeys(clients, "https://example.com/")
    assert "environments/prod.yaml: jobs.webhooks is" in refusal(
        {"api.clients": clients, "jobs.webhooks": webhooks}
    )


@given(st.integers(0, 100), st.integers(1, 100))
def test_a_deploy_begins_with_an_instance_within_the_bounds(low: int, high: int) -> None:
    instances = Instances(min=min(low, high), max=high)
    assert 1 <= instances.initial <= instances.max
    assert instances.initial >= instances.min
