"""Ids sort by age, are told apart by kind, and fit where SageMaker takes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jobtable import ids

TIMES = st.integers(min_value=0, max_value=2**48 - 1)


@given(TIMES, TIMES)
def test_ids_sort_by_age(first: int, second: int) -> None:
    if first < second:
        assert ids.new_id("batch_", first) < ids.new_id("batch_", second)


@given(TIMES)
def test_an_id_is_of_one_kind(now_ms: int) -> None:
    made = ids.new_id("file-", now_ms)
    assert ids.is_id(made, "file-")
    assert not ids.is_id(made, "batch_")
    assert not ids.is_id(made + "0", "file-")


def test_an_inference_id_names_owner_and_response() -> None:
    response = ids.new_id("resp_", 1)
    text = ids.inference_id("a1b2c3d4e5", response)
    assert ids.parse_inference_id(text) == ("a1b2c3d4e5", response)
    assert len(ids.inference_id("k" * 26, response)) == 64


@pytest.mark.parametrize("text", ["", "abc", ":resp_0", "owner:batch_" + "0" * 32, "owner:resp_xyz"])
def test_other_inference_ids_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no inference id of a response"):
        ids.parse_inference_id(text)


def test_a_transform_job_name_is_one_that_sagemaker_takes() -> None:
    batch = ids.new_id("batch_", 1)
    assert ids.transform_job_name("prod", batch, 2) == f"twin-prod-{batch[6:]}-2"
    assert len(ids.transform_job_name("e" * 16, batch, 99)) <= 63
