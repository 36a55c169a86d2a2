"""Advice: the cheapest deployment type that meets all four criteria, and what the others miss."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from twin.capacity import Advice, Workload, WorkloadError, advise
from twin.capacity.advice import MOST_INSTANCES, MOST_LINES
from twin.capacity.fleet import Fleet, Platform
from twin.capacity.throughput import throughput
from twin.settings import load
from twin.settings.accelerators import INSTANCE_TYPES
from twin.settings.asynchronous import Instances
from twin.settings.batch import BatchSettings
from twin.settings.realtime import Copies

L40S = INSTANCE_TYPES["ml.g6e.xlarge"]
PLATFORM = Platform(8.03, "none", 16_384, 4096, 300, Fleet(L40S, 8), Fleet(L40S, 16), Fleet(L40S, 16))
CHAT = Workload(
    max_wait_seconds=60,
    streaming=True,
    requests_per_day=5000,
    busy_hours=10,
    input_tokens=3500,
    output_tokens=300,
    known_upfront=False,
)
ENVIRONMENTS = Path(__file__).parents[2] / "environments"

WORKLOADS = st.builds(
    Workload,
    max_wait_seconds=st.floats(0.1, 200_000),
    streaming=st.booleans(),
    requests_per_day=st.floats(1, 1e6),
    busy_hours=st.floats(0.1, 24),
    input_tokens=st.integers(1, 8000),
    output_tokens=st.integers(1, 2000),
    known_upfront=st.booleans(),
)


def misses(advice: Advice) -> dict[str, tuple[str, ...]]:
    return {one.type: one.misses for one in advice.assessments}


def best(workload: Workload) -> str | None:
    found = advise(workload, PLATFORM).best
    return found.type if found else None


def test_answers_that_are_read_as_they_are_written_are_realtime() -> None:
    advice = advise(CHAT, PLATFORM)
    assert advice.best is advice.assessments[0]
    assert misses(advice)["asynchronous"] == ("does not stream: the answer comes as a whole",)
    assert misses(advice)["batch"][:2] == (
        "does not stream: the answer comes as a whole",
        "takes a file of requests; these come one by one",
    )


def test_rare_requests_that_may_wait_are_asynchronous() -> None:
    rare = replace(CHAT, streaming=False, max_wait_seconds=1800, requests_per_day=200, busy_hours=2)
    advice = advise(rare, PLATFORM)
    assert advice.best is advice.assessments[1]
    costs = [one.usd_per_month or 0 for one in advice.assessments[:2]]
    assert costs[1] < costs[0] / 5  # the realtime endpoint keeps a copy day and night


def test_a_file_of_requests_that_may_take_a_day_is_a_batch() -> None:
    advice = advise(replace(CHAT, streaming=False, max_wait_seconds=86_400, known_upfront=True), PLATFORM)
    assert advice.best is advice.assessments[2]
    assert advice.best.settings["batch.instances"] == 1


def test_a_wait_shorter_than_an_answer_fits_nothing() -> None:
    advice = advise(replace(CHAT, max_wait_seconds=0.5), PLATFORM)
    assert advice.best is None
    assert misses(advice)["realtime"] == ("a client may wait 14 s; at most 0.5 s are accepted",)


def test_an_answer_that_outlasts_sagemakers_limit_is_not_realtime() -> None:
    slow = replace(CHAT, streaming=False, max_wait_seconds=3600, output_tokens=2000)
    assert "SageMaker ends it after 60 s (not streamed)" in misses(advise(slow, PLATFORM))["realtime"][0]
    assert misses(advise(replace(slow, streaming=True), PLATFORM))["realtime"] == ()


def test_a_stream_that_outlasts_the_apis_patience_names_the_key_to_raise() -> None:
    """SageMaker streams for 480 s; the API waits as long as it is told to."""
    long = replace(CHAT, max_wait_seconds=480, output_tokens=4000)
    advice = [
        advise(long, replace(PLATFORM, model_timeout_seconds=seconds)).assessments[0] for seconds in (60, 480)
    ]
    assert all(60 < one.wait_seconds < 480 and one.fits for one in advice)
    assert [one.settings.get("api.model_timeout_seconds") for one in advice] == [480, None]


def test_an_asynchronous_wait_shorter_than_a_cold_start_keeps_an_instance() -> None:
    short = replace(CHAT, streaming=False, max_wait_seconds=300)
    patient = replace(short, max_wait_seconds=1000)
    instances = [
        advise(one, PLATFORM).assessments[1].settings["asynchronous.instances.min"]
        for one in (short, patient)
    ]
    assert instances == [1, 0]


def test_an_asynchronous_wait_between_a_cold_start_and_the_answer_after_it_keeps_an_instance() -> None:
    """525 s for the start and 5 s around it leave no time for the answer itself."""
    tight = advise(replace(CHAT, streaming=False, max_wait_seconds=535), PLATFORM).assessments[1]
    assert tight.fits
    assert tight.settings["asynchronous.instances.min"] == 1


@pytest.mark.parametrize("known_upfront", [True, False])
def test_what_does_not_fit_in_the_models_context_fits_no_type(known_upfront: bool) -> None:
    long = replace(CHAT, streaming=False, max_wait_seconds=86_400, input_tokens=16_000, output_tokens=385)
    for found in misses(advise(replace(long, known_upfront=known_upfront), PLATFORM)).values():
        assert "prompt and answer take 16,385 tokens; model.max_model_len is 16,384" in found
    assert not any("model.max_model_len" in text for text in _said(replace(long, output_tokens=384)))


def test_an_answer_longer_than_the_api_allows_fits_no_type() -> None:
    long = replace(CHAT, max_wait_seconds=86_400, input_tokens=100, output_tokens=4097)
    for found in misses(advise(long, PLATFORM)).values():
        assert "an answer takes 4,097 tokens; api.max_output_tokens is 4,096" in found
    assert not any("api.max_output_tokens" in text for text in _said(replace(long, output_tokens=4096)))


def _said(workload: Workload) -> list[str]:
    return [text for found in misses(advise(workload, PLATFORM)).values() for text in found]


def test_more_instances_than_the_settings_take_are_a_miss() -> None:
    crowd = replace(CHAT, requests_per_day=1e7, busy_hours=1, max_wait_seconds=3600)
    found = misses(advise(crowd, PLATFORM))
    assert any(text.endswith("realtime.copies.max is at most 100") for text in found["realtime"])
    assert any(text.endswith("asynchronous.instances.max is at most 100") for text in found["asynchronous"])
    assert any(text.endswith("batch.instances is at most 100") for text in found["batch"])


def test_the_settings_take_as_many_instances_as_advice_may_name() -> None:
    for section in (Copies, Instances):
        assert section(min=0, max=MOST_INSTANCES).max == MOST_INSTANCES
        with pytest.raises(ValidationError):
            section(min=0, max=MOST_INSTANCES + 1)
    for field, most in (("instances", MOST_INSTANCES), ("max_lines", MOST_LINES)):
        assert most in [getattr(rule, "le", None) for rule in BatchSettings.model_fields[field].metadata]


def test_an_answer_of_more_than_an_hour_fits_no_type() -> None:
    slow = replace(PLATFORM, billion_parameters=400, max_output_tokens=10_000)
    hours = replace(CHAT, streaming=False, max_wait_seconds=86_400, output_tokens=9000)
    found = misses(advise(hours, slow))
    assert all(any("SageMaker ends it after" in text for text in texts) for texts in found.values())


def test_copies_that_share_an_instance_share_its_price() -> None:
    four = replace(PLATFORM, realtime=Fleet(INSTANCE_TYPES["ml.g5.12xlarge"], 8, copies=4))
    crowd = replace(CHAT, requests_per_day=100_000)
    one = replace(four, realtime=replace(four.realtime, copies=1))
    shared, alone = (advise(crowd, platform).assessments[0] for platform in (four, one))
    assert shared.instances == -(-alone.instances // 4) < alone.instances
    assert (shared.usd_per_month or 0) < (alone.usd_per_month or 0)
    assert shared.settings == alone.settings


def test_more_lines_than_a_batch_takes_are_several_files() -> None:
    file = replace(CHAT, streaming=False, max_wait_seconds=86_400, known_upfront=True)
    many = advise(replace(file, requests_per_day=120_000), PLATFORM).assessments[2]
    assert many.reasons[-1] == "3 files a day: a batch takes 50,000 lines"
    assert "files" not in advise(file, PLATFORM).assessments[2].reasons[-1]


def test_an_instance_type_without_a_price_is_assessed_and_never_preferred() -> None:
    unpriced = Fleet(INSTANCE_TYPES["ml.p5.48xlarge"], 16)
    advice = advise(
        replace(CHAT, streaming=False, max_wait_seconds=1800), replace(PLATFORM, asynchronous=unpriced)
    )
    assert advice.assessments[1].usd_per_month is None
    assert advice.best is advice.assessments[0]


@given(WORKLOADS)
def test_the_best_fits_and_nothing_that_fits_costs_less(workload: Workload) -> None:
    advice = advise(workload, PLATFORM)
    fitting = [one for one in advice.assessments if one.fits]
    assert (advice.best is None) == (not fitting)
    if advice.best:
        assert advice.best.fits
        assert all((advice.best.usd_per_month or 0) <= (one.usd_per_month or 0) for one in fitting)


@given(WORKLOADS, st.floats(1, 10))
def test_more_requests_never_cost_less(workload: Workload, factor: float) -> None:
    more = replace(workload, requests_per_day=workload.requests_per_day * factor)
    for few, many in zip(
        advise(workload, PLATFORM).assessments, advise(more, PLATFORM).assessments, strict=True
    ):
        assert (few.usd_per_month or 0) <= (many.usd_per_month or 0) * (1 + 1e-9)


@given(WORKLOADS)
def test_only_realtime_streams(workload: Workload) -> None:
    fits = {one.type: one.fits for one in advise(workload, PLATFORM).assessments}
    assert not (workload.streaming and (fits["asynchronous"] or fits["batch"]))


def test_a_decoding_step_reads_weights_and_cache_once() -> None:
    """16.06 GB of weights and 8 sequences of 1,000 tokens at 131,072 bytes, at half of 864 GB/s."""
    found = throughput(
        L40S,
        billion_parameters=8.03,
        quantization="none",
        concurrency=8,
        input_tokens=950,
        output_tokens=100,
    )
    step = (16.06e9 + 8 * 1000 * 131_072) / 432e9
    assert found.seconds_per_request == pytest.approx(100 * step)
    assert found.requests_per_second == pytest.approx(8 / (100 * step))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("max_wait_seconds", 0, "max-wait-seconds: 0 given; accepted: seconds from 0.1 to 2592000 (30 days)"),
        ("busy_hours", 25, "busy-hours: 25 given; accepted: hours from 0.1 to 24"),
        ("requests_per_day", -1, "requests-per-day: -1 given; accepted: a number from 1 to 1000000000"),
        ("input_tokens", 0, "input-tokens: 0 given; accepted: tokens from 1 to 1000000"),
        ("output_tokens", 10**6, "output-tokens: 1e+06 given; accepted: tokens from 1 to 100000"),
    ],
)
def test_a_number_that_no_workload_has_is_refused(field: str, value: float, message: str) -> None:
    with pytest.raises(WorkloadError) as raised:
        replace(CHAT, **{field: value})  # type: ignore[arg-type]
    assert str(raised.value) == message


@pytest.mark.parametrize("name", ["local", "dev", "staging", "prod"])
def test_every_environment_says_what_each_type_runs_on(name: str) -> None:
    environment = load(ENVIRONMENTS / f"{name}.yaml")
    platform = Platform.of(environment, 8.03)
    assert platform.realtime.instance.name == environment.realtime.instance_types[0]
    assert environment.asynchronous is not None
    assert environment.batch is not None
    assert platform.asynchronous.instance.name == environment.asynchronous.instance_types[0]
    assert platform.batch.instance.name == environment.batch.instance_type


def test_a_type_that_an_environment_lacks_is_assessed_on_what_it_has() -> None:
    environment = load(ENVIRONMENTS / "prod.yaml").model_copy(update={"asynchronous": None, "batch": None})
    platform = Platform.of(environment, 8.03)
    assert platform.asynchronous == Fleet(L40S, environment.model.max_num_seqs)
    assert platform.batch == platform.asynchronous
