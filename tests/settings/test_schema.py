"""Every setting is documented; what the schema says is what the models accept."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from twin.settings import Environment
from twin.settings.accelerators import INSTANCE_TYPES, Quantization, runs_dtype, runs_quantization
from twin.settings.nearest import nearest
from twin.settings.realtime import Cooldowns, Copies, RealtimeSettings

QUANTIZATIONS: tuple[Quantization, ...] = ("none", "fp8", "awq", "gptq", "bitsandbytes")


def definitions() -> Iterator[tuple[str, str, dict[str, object]]]:
    """Model, field and schema of every setting."""
    schema = Environment.model_json_schema()
    for name, definition in {"Environment": schema, **schema["$defs"]}.items():
        for field, properties in definition.get("properties", {}).items():
            yield name, field, properties


@pytest.mark.parametrize(("model", "field", "properties"), list(definitions()))
def test_setting_has_a_description_and_a_unit(model: str, field: str, properties: dict[str, object]) -> None:
    assert str(properties["description"]).endswith("."), f"{model}.{field}"
    assert properties["unit"]


def test_every_section_refuses_unknown_keys() -> None:
    for definition in Environment.model_json_schema()["$defs"].values():
        if definition["type"] == "object":
            assert definition["additionalProperties"] is False


def test_values_that_can_be_left_out_are_valid() -> None:
    class Defaults(BaseModel):
        cooldowns: Cooldowns = Cooldowns(scale_out_seconds=1, scale_in_seconds=1)

    assert Defaults().cooldowns.wake_seconds == 600


def realtime(instance_types: tuple[str, ...], gpus: int, low: int, high: int) -> RealtimeSettings:
    return RealtimeSettings(
        instance_types=instance_types,
        accelerators_per_copy=gpus,
        memory_mib_per_copy=1024,
        copies=Copies(min=low, max=high),
        target_concurrency_per_copy=1,
        cooldowns=Cooldowns(scale_out_seconds=0, scale_in_seconds=0),
    )


@given(st.sampled_from(sorted(INSTANCE_TYPES)), st.integers(0, 50), st.integers(1, 50), st.data())
def test_instances_hold_the_copies_and_no_instance_is_spare(
    name: str, low: int, high: int, data: st.DataObject
) -> None:
    low = min(low, high)
    gpus = data.draw(st.integers(1, INSTANCE_TYPES[name].gpus))
    settings = realtime((name,), gpus, low, high)
    per_instance = INSTANCE_TYPES[name].gpus // gpus
    assert settings.max_instances * per_instance >= high > (settings.max_instances - 1) * per_instance
    assert settings.min_instances <= settings.initial_instances <= settings.max_instances
    assert (settings.min_instances == 0) == (low == 0)


@given(st.sampled_from(sorted(INSTANCE_TYPES)), st.sampled_from(sorted(INSTANCE_TYPES)), st.integers(1, 50))
def test_a_fallback_with_fewer_gpus_never_lowers_the_number_of_instances(
    first: str, second: str, high: int
) -> None:
    alone = realtime((first,), 1, 0, high)
    both = realtime((first, second) if first != second else (first,), 1, 0, high)
    assert both.max_instances >= alone.max_instances


@pytest.mark.parametrize("name", sorted(INSTANCE_TYPES))
def test_every_gpu_runs_unquantized_float16(name: str) -> None:
    assert runs_quantization(INSTANCE_TYPES[name], "none")
    assert runs_dtype(INSTANCE_TYPES[name], "float16")


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_only_fp8_depends_on_the_gpu(quantization: Quantization) -> None:
    able = {
        instance.architecture
        for instance in INSTANCE_TYPES.values()
        if runs_quantization(instance, quantization)
    }
    every = {instance.architecture for instance in INSTANCE_TYPES.values()}
    assert able == ({"ada", "hopper", "blackwell"} if quantization == "fp8" else every)


@given(st.text(), st.lists(st.text(), min_size=1))
def test_nearest_is_a_candidate(name: str, candidates: list[str]) -> None:
    assert nearest(name, candidates) in candidates


@given(st.text(min_size=1), st.lists(st.text()))
def test_nearest_of_a_candidate_is_itself(name: str, others: list[str]) -> None:
    assert nearest(name, [*others, name]) == name
