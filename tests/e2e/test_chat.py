"""An unmodified OpenAI client, through API Gateway, against the deployed stacks."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import openai
import pytest
import urllib3

if TYPE_CHECKING:
    from tests.e2e.conftest import DeployedTwin

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("e2e")]

SAMPLES = sorted((Path(__file__).resolve().parents[2] / "samples" / "requests").glob("*.json"))
QUESTION = "Why does the split between microservices fall between CPU and GPU?"


def _ask(twin: DeployedTwin, question: str = QUESTION, **extra: object) -> openai.types.chat.ChatCompletion:
    return twin.client().chat.completions.create(
        model=twin.model,
        messages=[{"role": "user", "content": question}],
        extra_body={"retrieval": extra} if extra else None,
    )


def test_an_answer_carries_its_sources(twin: DeployedTwin) -> None:
    answer = _ask(twin)
    extra = answer.model_extra or {}

    assert answer.choices[0].finish_reason == "stop"
    assert "[1]" in (answer.choices[0].message.content or "")
    assert extra["grounded"] is True
    assert extra["search_results"][0]["document_id"] == "the-cpu-gpu-line.md"
    assert {"title", "url", "score", "text"} <= extra["search_results"][0].keys()
    assert extra["citations"][0] == extra["search_results"][0]["url"]
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_streamed_answer_equals_the_buffered_one(twin: DeployedTwin) -> None:
    buffered = _ask(twin)
    stream = twin.client().chat.completions.create(
        model=twin.model,
        messages=[{"role": "user", "content": QUESTION}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)

    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == buffered.choices[0].message.content
    assert len(chunks) > 10, "an answer that comes in a few pieces was not streamed"
    assert (chunks[0].model_extra or {})["search_results"] == (buffered.model_extra or {})["search_results"]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage == buffered.usage


def test_tokens_arrive_while_the_model_is_still_writing(twin: DeployedTwin) -> None:
    stream = twin.client().chat.completions.create(
        model=twin.model, messages=[{"role": "user", "content": QUESTION}], stream=True
    )
    arrivals = [time.monotonic() for _ in stream]

    # Twenty tokens at 5 ms each: were the answer buffered anywhere, all would come at once.
    assert arrivals[-1] - arrivals[0] > 0.05
    assert len({round(moment, 2) for moment in arrivals}) > 5


def test_a_filter_narrows_the_sources(twin: DeployedTwin) -> None:
    answer = _ask(twin, "Why is a retry a second request?", top_k=8, filter={"kind": {"$eq": "post"}})
    kinds = {result["kind"] for result in (answer.model_extra or {})["search_results"]}
    assert kinds == {"post"}


def test_top_k_bounds_the_sources(twin: DeployedTwin) -> None:
    answer = _ask(twin, top_k=2)
    assert len((answer.model_extra or {})["search_results"]) == 2


def test_a_filter_that_is_not_one_is_refused(twin: DeployedTwin) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        _ask(twin, filter={"kind": {"$like": "post"}})
    assert refused.value.param == "retrieval.filter"
    assert "$like" in refused.value.message


def test_a_follow_up_that_says_little_is_answered_from_the_question_before_it(twin: DeployedTwin) -> None:
    messages: list[openai.types.chat.ChatCompletionMessageParam] = [
        {"role": "user", "content": "What is time to first token?"},
        {"role": "assistant", "content": "One of two clocks."},
        {"role": "user", "content": "And the other one?"},
    ]
    alone = _ask(twin, "And the other one?").model_extra or {}
    after = twin.client().chat.completions.create(model=twin.model, messages=messages).model_extra or {}
    assert alone["search_results"] == []
    assert after["search_results"][0]["document_id"] == "two-clocks-ttft-itl.md"


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_request_is_answered(twin: DeployedTwin, sample: Path) -> None:
    response = urllib3.request(
        "POST",
        f"{twin.base_url}/chat/completions",
        body=sample.read_bytes(),
        headers={"authorization": f"Bearer {twin.key()}", "content-type": "application/json"},
    )
    assert response.status == 200
    assert (b'"grounded":true' in response.data) is (sample.stem != "ungrounded")


def test_retrieval_can_be_left_out(twin: DeployedTwin) -> None:
    extra = _ask(twin, enabled=False).model_extra or {}
    assert extra["grounded"] is False
    assert extra["search_results"] == []


def test_models_lists_the_twin(twin: DeployedTwin) -> None:
    assert [model.id for model in twin.client().models.list().data] == [twin.model]


def test_health_needs_no_key(twin: DeployedTwin) -> None:
    status, _ = twin.get("/health", key=None)
    assert status == 200


def test_a_wrong_key_is_refused(twin: DeployedTwin) -> None:
    with pytest.raises(openai.AuthenticationError) as refused:
        twin.client(key="sk-wrong-key-that-nobody-issued").models.list()
    assert refused.value.code == "invalid_api_key"
    assert refused.value.type == "invalid_request_error"


def test_a_missing_key_is_refused(twin: DeployedTwin) -> None:
    status, body = twin.get("/v1/models", key=None)
    assert status == 401
    assert body["error"]["type"] == "invalid_request_error"


def test_a_key_waits_above_its_rate_and_is_refused_above_its_quota(twin: DeployedTwin) -> None:
    client = twin.client(key=twin.key("trial"))
    refusals = []
    for _ in range(50):
        try:
            client.models.list()
        except openai.RateLimitError as refusal:
            refusals.append(refusal)
            if refusal.code != "rate_limit_exceeded":
                break
            time.sleep(int(refusal.response.headers["retry-after"]))

    *for_the_rate, for_the_quota = refusals
    assert {refusal.type for refusal in for_the_rate} <= {"rate_limit_error"}
    assert (for_the_quota.type, for_the_quota.code) == ("insufficient_quota", "insufficient_quota")
    assert for_the_quota.response.headers["retry-after"]
    assert for_the_quota.response.headers["x-should-retry"] == "false"


def test_a_prompt_beyond_the_context_is_refused(twin: DeployedTwin) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        _ask(twin, "word " * 60_000)
    assert refused.value.code == "context_length_exceeded"


def test_a_body_above_one_megabyte_is_refused(twin: DeployedTwin) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        _ask(twin, "x" * 1_100_000)
    assert refused.value.status_code == 413


def test_an_unknown_field_is_refused(twin: DeployedTwin) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        twin.client().chat.completions.create(
            model=twin.model,
            messages=[{"role": "user", "content": QUESTION}],
            extra_body={"temprature": 0.2},
        )
    assert refused.value.param == "temprature"


def test_an_unknown_model_is_refused(twin: DeployedTwin) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        twin.client().chat.completions.create(model="gpt-4", messages=[{"role": "user", "content": QUESTION}])
    assert refused.value.code == "model_not_found"


def test_an_endpoint_at_zero_copies_says_so(twin: DeployedTwin) -> None:
    with twin.scaled_to_zero(), pytest.raises(openai.APIStatusError) as refused:
        _ask(twin)
    assert refused.value.status_code == 503
    assert int(refused.value.response.headers["retry-after"]) > 0
    assert "scaled to zero" in refused.value.message
    assert _ask(twin).choices[0].message.content


@pytest.mark.parametrize(
    ("kind", "status"),
    [("model_error", 502), ("throttle", 429), ("not_ready", 503)],
)
def test_a_failing_model_is_reported_without_internals(twin: DeployedTwin, kind: str, status: int) -> None:
    # More than once, because what the service refused before the model saw it may be sent again.
    with twin.fault(kind, times=10), pytest.raises(openai.APIStatusError) as refused:
        _ask(twin)
    assert refused.value.status_code == status
    assert "arn:" not in refused.value.response.text
    assert "sagemaker" not in refused.value.response.text.lower()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", ["model_error", "internal_failure"])
def test_what_may_have_been_generated_is_not_asked_for_again(
    twin: DeployedTwin, kind: str, stream: bool
) -> None:
    client = twin.client().with_options(max_retries=3)
    messages: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": QUESTION}]
    with twin.fault(kind, times=10):
        with pytest.raises(openai.InternalServerError):
            client.chat.completions.create(model=twin.model, messages=messages, stream=stream)
        [order] = urllib3.request("GET", f"{twin.url}/_local/faults").json()["faults"]
    assert order["times"] == 9


def test_a_stream_that_breaks_ends_with_an_error_event(twin: DeployedTwin) -> None:
    pieces: list[str] = []

    def read() -> None:
        for chunk in twin.client().chat.completions.create(
            model=twin.model, messages=[{"role": "user", "content": QUESTION}], stream=True
        ):
            pieces.extend(choice.delta.content or "" for choice in chunk.choices)

    with twin.fault("break_stream", after_parts=6), pytest.raises(openai.APIError) as broken:
        read()
    assert "".join(pieces), "the tokens before the break reach the client"
    assert "arn:" not in str(broken.value)
