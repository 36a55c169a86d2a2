"""What is refused, and in which words: file, key, value, what would be accepted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.settings.conftest import REMOVED, Refusal
from twin.settings import SettingsError, load

FILE = "environments/prod.yaml: "


def test_unknown_key_suggests_the_nearest(refusal: Refusal) -> None:
    assert refusal({"retrieval.topk": 8}) == (
        FILE + "retrieval.topk is no setting (value 8); did you mean 'top_k'? "
        "accepted: top_k, context_tokens, min_score, fallback"
    )


def test_unknown_section_suggests_the_nearest(refusal: Refusal) -> None:
    assert refusal({"networks": {}}).startswith(
        FILE + "networks is no setting (value {}); did you mean 'network'? accepted: name, account, region,"
    )


def test_missing_key_says_what_belongs_there(refusal: Refusal) -> None:
    assert refusal({"region": REMOVED}) == (
        FILE + "region is missing; accepted: text such as 'us-east-1' (region name)"
    )


def test_every_problem_is_listed_at_once(refusal: Refusal) -> None:
    assert refusal({"retrieval.top_k": 0, "logs.retention_days": 2, "api.log_content": "yes"}) == "\n".join(
        [
            FILE + "retrieval.top_k is 0; accepted: an integer from 1 to 100 (passages)",
            FILE + 'api.log_content is "yes"; accepted: true or false',
            FILE
            + "logs.retention_days is 2; accepted: one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, "
            "400, 545, 731, 1096, 1827, 3653 (days)",
        ]
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"retrieval.top_k": "8"},
            'retrieval.top_k is "8"; accepted: an integer from 1 to 100 (passages)',
        ),
        (
            {"retrieval.min_score": 1.5},
            "retrieval.min_score is 1.5; accepted: a number from -1 to 1 (cosine similarity)",
        ),
        (
            {"account": 333333333333},
            "account is 333333333333; accepted: text such as '111122223333' (AWS account id)",
        ),
        (
            {"realtime.instance_types": []},
            "realtime.instance_types is []; accepted: a list of 1 to 5 values (SageMaker instance types)",
        ),
        (
            {"realtime.copies": 3},
            "realtime.copies is 3; accepted: a mapping with the keys min, max",
        ),
        (
            {"api.tiers.standard.rate_per_second": 0},
            (
                "api.tiers.standard.rate_per_second is 0; "
                "accepted: a number above 0 and at most 10000 (requests per second)"
            ),
        ),
        (
            {"persona.name": ""},
            'persona.name is ""; accepted: text that is not empty',
        ),
        (
            {"model.image.tag": "latest"},
            (
                'model.image.tag is "latest"; '
                "accepted: text such as '0.30.0-gpu-py312-cu130-ubuntu24.04-sagemaker' (image tag)"
            ),
        ),
        (
            {"model.source.registry_version": None, "model.source.s3_uri": "s3://models/twin"},
            (
                'model.source.s3_uri is "s3://models/twin"; '
                "accepted: text such as 's3://my-models/llm-twin-8b/3/' (S3 URI that ends with /)"
            ),
        ),
        (
            {"api.clients": {}},
            "api.clients is {}; accepted: a mapping of names to values with at least one entry (tier names)",
        ),
        (
            {"api.clients": {"Website": "partner"}},
            'api.clients has the key "Website"; accepted: a key matching ^[a-z][a-z0-9-]{0,31}$',
        ),
    ],
)
def test_wrong_value(refusal: Refusal, changes: dict[str, object], message: str) -> None:
    assert refusal(changes) == FILE + message


def test_long_values_are_cut(refusal: Refusal) -> None:
    assert refusal({"retrieval": "x" * 200}) == (
        FILE + 'retrieval is "' + "x" * 78 + "…; "
        "accepted: a mapping with the keys top_k, context_tokens, min_score, fallback"
    )


def test_name_must_be_the_files(folder: Path, prod_text: str) -> None:
    path = folder / "production.yaml"
    path.write_text(prod_text)
    with pytest.raises(SettingsError) as raised:
        load(path)
    assert str(raised.value) == (
        'environments/production.yaml: name is "prod"; accepted: production, the name of the file'
    )


def test_absent_file_names_those_that_exist(folder: Path, prod_text: str) -> None:
    (folder / "prod.yaml").write_text(prod_text)
    with pytest.raises(SettingsError) as raised:
        load(folder / "prd.yaml")
    assert str(raised.value) == (
        "environments/prd.yaml: no such file; accepted: one of the environments prod"
    )


def test_key_given_twice_names_the_line(folder: Path) -> None:
    path = folder / "prod.yaml"
    path.write_text("name: prod\nregion: us-east-1\nname: dev\n")
    with pytest.raises(SettingsError) as raised:
        load(path)
    assert str(raised.value) == (
        "environments/prod.yaml: name is given twice, again on line 3; accepted: each key once"
    )


def test_key_that_is_no_text_names_the_line(folder: Path) -> None:
    path = folder / "prod.yaml"
    path.write_text("name: prod\n? [region]\n: us-east-1\n")
    with pytest.raises(SettingsError) as raised:
        load(path)
    assert str(raised.value) == "environments/prod.yaml: line 2 has a key that is no text; accepted: texts"


def test_value_that_contains_itself_is_refused(folder: Path) -> None:
    path = folder / "prod.yaml"
    path.write_text("name: &name [*name]\n")
    with pytest.raises(SettingsError) as raised:
        load(path)
    assert str(raised.value) == (
        "environments/prod.yaml: has a value that contains itself; accepted: values that end"
    )


def test_broken_yaml_names_the_place(folder: Path) -> None:
    path = folder / "prod.yaml"
    path.write_text("name: [prod\n")
    with pytest.raises(SettingsError) as raised:
        load(path)
    assert str(raised.value) == (
        "environments/prod.yaml: is not YAML at line 2, column 1: expected ',' or ']', but got '<stream end>'"
    )


def test_character_that_yaml_forbids_is_named(folder: Path) -> None:
    path = folder / "prod.yaml"
    path.write_text("name: \x07\n")
    with pytest.raises(SettingsError) as raised:
        load(path)
    assert str(raised.value) == (
        "environments/prod.yaml: is not YAML: unacceptable character #x0007: "
        'special characters are not allowed in "<unicode string>", position 6'
    )


def test_other_encodings_are_refused(folder: Path) -> None:
    path = folder / "prod.yaml"
    path.write_bytes("name: prod # größer\n".encode("latin-1"))
    with pytest.raises(SettingsError) as raised:
        load(path)
    assert str(raised.value) == "environments/prod.yaml: is not text in UTF-8: byte 15 is not"


def test_values_that_json_lacks_are_refused_like_others(folder: Path, prod_text: str) -> None:
    path = folder / "prod.yaml"
    path.write_text(prod_text.replace("top_k: 8", "top_k: !!binary aGk="))
    with pytest.raises(SettingsError) as raised:
        load(path)
    assert str(raised.value) == (
        "environments/prod.yaml: retrieval.top_k is \"b'hi'\"; accepted: an integer from 1 to 100 (passages)"
    )


def test_empty_file_is_no_mapping(folder: Path) -> None:
    path = folder / "prod.yaml"
    path.write_text("")
    with pytest.raises(SettingsError) as raised:
        load(path)
    assert str(raised.value).startswith(
        "environments/prod.yaml: the file is empty; accepted: a mapping with the keys name, account, region,"
    )


def test_a_date_like_value_stays_text(refusal: Refusal, folder: Path, prod_text: str) -> None:
    path = folder / "prod.yaml"
    path.write_text(prod_text.replace("id: llm-twin-8b", "id: 2026-11-22"))
    assert load(path).model.id == "2026-11-22"


@pytest.fixture(scope="session")
def prod_text() -> str:
    return (Path(__file__).parents[2] / "environments" / "prod.yaml").read_text()
