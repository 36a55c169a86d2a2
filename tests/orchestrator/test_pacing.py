"""Time limits for each stage of an answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from orchestrator.errors import ModelTooSlowError
from orchestrator.pacing import Pace

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

pytestmark = pytest.mark.anyio


async def after(*delays: float) -> AsyncGenerator[int, None]:
    for number, delay in enumerate(delays):
        await asyncio.sleep(delay)
        yield number


async def collect(pace: Pace, *delays: float) -> list[int]:
    return [number async for number in pace.each(after(*delays))]


async def test_an_answer_in_time_passes() -> None:
    assert await collect(Pace(total=1, first_token=0.5, between_tokens=0.5), 0.02, 0.02, 0.02) == [0, 1, 2]


@pytest.mark.parametrize(
    ("pace", "delays", "message"),
    [
        (
            Pace(9, first_token=0.02, between_tokens=9),
            [5],
            "The model did not begin its answer within 0.02 s.",
        ),
        (
            Pace(9, first_token=9, between_tokens=0.02),
            [0, 5],
            "The model did not continue its answer within 0.02 s.",
        ),
        (
            Pace(0.05, first_token=9, between_tokens=9),
            [0.02] * 9,
            "The model did not finish its answer within 0.05 s.",
        ),
        (
            Pace(0.02, first_token=9, between_tokens=9),
            [5],
            "The model did not finish its answer within 0.02 s.",
        ),
    ],
)
async def test_each_stage_has_its_limit(pace: Pace, delays: list[float], message: str) -> None:
    with pytest.raises(ModelTooSlowError) as caught:
        await collect(pace, *delays)
    assert caught.value.message == message


async def test_a_slow_reader_is_not_a_slow_model() -> None:
    async for _ in Pace(total=9, first_token=0.02, between_tokens=0.02).each(after(0, 0)):
        await asyncio.sleep(0.05)


async def test_a_whole_answer_has_a_limit() -> None:
    assert await Pace(total=1).whole(asyncio.sleep(0, "answer")) == "answer"
    with pytest.raises(ModelTooSlowError, match=r"^The model did not finish its answer within 0\.02 s\.$"):
        await Pace(total=0.02).whole(asyncio.sleep(5))


async def test_a_model_that_is_too_slow_is_told_to_stop() -> None:
    stopped = asyncio.Event()

    async def answer() -> AsyncGenerator[int, None]:
        try:
            await asyncio.sleep(5)
            yield 1
        finally:
            stopped.set()

    with pytest.raises(ModelTooSlowError):
        [_ async for _ in Pace(total=0.02).each(answer())]
    assert stopped.is_set()
