"""The environment variables as typed models."""

from __future__ import annotations

import pytest
from batch.environment import AugmentEnvironment, StepsEnvironment
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.batch.variables import AUGMENT, PERSONA, STEPS

Models = type[StepsEnvironment] | type[AugmentEnvironment]


def test_all_variables_are_read() -> None:
    steps, augment = StepsEnvironment.read(STEPS), AugmentEnvironment.read(AUGMENT)
    assert (steps.max_lines, steps.model_id, steps.log_level) == (50, "twin", "INFO")
    assert augment.persona.model_dump() == PERSONA
    assert StepsEnvironment.variables() == {*STEPS, "LOG_LEVEL"}
    assert AugmentEnvironment.variables() == {*AUGMENT, "LOG_LEVEL"}


@pytest.mark.parametrize(
    ("model", "name", "given_variables"),
    [
        (model, name, variables)
        for model, variables in ((StepsEnvironment, STEPS), (AugmentEnvironment, AUGMENT))
        for name in sorted(variables)
    ],
)
def test_a_missing_variable_is_named(model: Models, name: str, given_variables: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match=name):
        model.read({key: value for key, value in given_variables.items() if key != name})


def test_an_answer_has_to_fit_into_the_context() -> None:
    message = r"MAX_OUTPUT_TOKENS \(4096\) must be less than MAX_MODEL_LEN \(4096\)"
    with pytest.raises(ValidationError, match=message):
        AugmentEnvironment.read({**AUGMENT, "MAX_OUTPUT_TOKENS": "4096"})


@given(st.integers(128, 10_240), st.integers(1, 8))
def test_threads_are_between_one_and_the_processors(memory: int, processors: int) -> None:
    environment = AugmentEnvironment.read({**AUGMENT, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory)})
    assert 1 <= environment.encoder_threads(processors) <= processors
