"""The environment variables as a typed model."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingestion.environment import Environment
from pydantic import ValidationError

from tests.ingestion.variables import VARIABLES


def test_all_variables_are_read() -> None:
    environment = Environment.read(VARIABLES)
    assert environment.corpus_bucket_name == "corpus"
    assert environment.log_level == "INFO"
    assert Environment.variables() == {*VARIABLES, "LOG_LEVEL"}


@pytest.mark.parametrize("name", sorted(VARIABLES))
def test_a_missing_variable_is_named(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        Environment.read({key: value for key, value in VARIABLES.items() if key != name})


@given(st.integers(128, 10_240), st.integers(1, 8))
def test_threads_are_between_one_and_the_processors(memory: int, processors: int) -> None:
    environment = Environment.read({**VARIABLES, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory)})
    assert 1 <= environment.encoder_threads(processors) <= processors


@pytest.mark.parametrize(("memory", "threads"), [(512, 1), (1769, 1), (3008, 2), (3538, 2), (10_240, 6)])
def test_threads_follow_the_memory(memory: int, threads: int) -> None:
    environment = Environment.read({**VARIABLES, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory)})
    assert environment.encoder_threads(processors=8) == threads
