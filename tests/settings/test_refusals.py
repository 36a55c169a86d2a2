"""What is refused, and in which words: file, key, value, what would be accepted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.settings.conftest import REMOVED, LoadChanged, Refusal
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
                "accepted: text such as 's3://my-models/llm-twin-8b/3/' (S3 URI)"
            ),
        ),
        (
            {"api.clients": {"Website": "partner"}},
            'api.clients has the key "Website"; accepted: a key matching ^[a-z][a-z0-9-]{0,31}$',
        ),
    ],
)
def test_wrong_value(refusal: Refusal, changes: dict[str, object], message: str) -> None:
    assert refusal(changes) == FILE + message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"realtime.copies.min": 7},
            "realtime.copies.min is 7; accepted: at most max, which is 6",
        ),
        (
            {"realtime.instance_types.0": "ml.g6e.xlarg"},
            (
                'realtime.instance_types.0 is "ml.g6e.xlarg"; '
                "accepted: a GPU type that SageMaker hosts endpoints on, such as ml.g6e.xlarge"
            ),
        ),
        (
            {"realtime.instance_types.0": "ml.m5.xlarge"},
            (
                'realtime.instance_types.0 is "ml.m5.xlarge"; '
                "accepted: a GPU type that SageMaker hosts endpoints on, such as ml.g5.xlarge"
            ),
        ),
        (
            {"realtime.instance_types.1": "ml.g6e.xlarge"},
            'realtime.instance_types.1 is "ml.g6e.xlarge"; accepted: each type once',
        ),
        (
            {"realtime.accelerators_per_copy": 2},
            (
                'realtime.instance_types.0 is "ml.g6e.xlarge"; '
                "accepted: a type with at least 2 GPUs (accelerators_per_copy); this one has 1"
            ),
        ),
        (
            {"realtime.memory_mib_per_copy": 32768},
            "realtime.memory_mib_per_copy is 32768; accepted: less than the 32768 MiB of ml.g6e.xlarge",
        ),
        (
            {"realtime.target_concurrency_per_copy": 64},
            (
                "realtime.target_concurrency_per_copy is 64; "
                "accepted: at most model.max_num_seqs, which is 32; more would wait"
            ),
        ),
        (
            {"retrieval.context_tokens": 7000},
            (
                "retrieval.context_tokens is 7000; accepted: at most 6656 tokens: "
                "model.max_model_len 8192 less api.max_output_tokens 1024 less 512 for persona and question"
            ),
        ),
        (
            {"model.quantization": "fp8"},
            (
                'model.quantization is "fp8"; accepted: none, awq, gptq or bitsandbytes while '
                "realtime.instance_types has ml.g5.2xlarge (A10G, ampere); fp8 runs on ada, blackwell, hopper"
            ),
        ),
        (
            {"realtime.instance_types.2": "ml.g4dn.4xlarge"},
            (
                'model.dtype is "bfloat16"; accepted: float16 while realtime.instance_types has '
                "ml.g4dn.4xlarge (T4, turing), which has no bfloat16"
            ),
        ),
        (
            {"model.image.inference_ami": "al2-ami-sagemaker-inference-gpu-3-1"},
            (
                'model.image.inference_ami is "al2-ami-sagemaker-inference-gpu-3-1"; '
                "accepted: al2023-ami-sagemaker-inference-gpu-4-1, because the image is built for CUDA 13.0"
            ),
        ),
        (
            {"model.source.s3_uri": "s3://models/twin/"},
            (
                'model.source is {"s3_uri": "s3://models/twin/", "registry_version": "1"}; '
                "accepted: exactly one of s3_uri and registry_version"
            ),
        ),
        (
            {"model.source": {}},
            "model.source is {}; accepted: exactly one of s3_uri and registry_version",
        ),
        (
            {"model.source": {"s3_uri": "s3://a-b-c/d/", "artifacts_uri": "s3://a-b-c/e/"}},
            (
                'model.source.artifacts_uri is "s3://a-b-c/e/"; '
                "accepted: no value beside s3_uri; it belongs to registry_version"
            ),
        ),
        (
            {"api.clients.website": "parner"},
            (
                'api.clients.website is "parner"; '
                "accepted: a tier of api.tiers (standard, partner); nearest: partner"
            ),
        ),
        (
            {"api.tiers.partner.rate_per_second": 500},
            (
                "api.tiers.partner.rate_per_second is 500; "
                "accepted: at most throttle.rate_per_second, which is 100"
            ),
        ),
        (
            {"api.tiers.partner.burst": 500},
            "api.tiers.partner.burst is 500; accepted: at most throttle.burst, which is 200",
        ),
        (
            {"removal": "destroy"},
            'removal is "destroy"; accepted: retain; only dev and local may destroy data',
        ),
        (
            {"local": {"inter_token_latency_ms": 1}},
            (
                'local is {"model": "extractive", "time_to_first_token_ms": 20, "inter_token_latency_ms":…; '
                "accepted: no value; the section belongs in the environment 'local'"
            ),
        ),
        (
            {"name": "local", "account": "000000000000"},
            (
                "local is empty; "
                "accepted: the section 'local' with model, time_to_first_token_ms, inter_token_latency_ms"
            ),
        ),
        (
            {"network.availability_zones": ["us-east-1a", "us-east-1a"]},
            'network.availability_zones is ["us-east-1a", "us-east-1a"]; accepted: each zone once',
        ),
        (
            {"network.availability_zones.1": "us-west-2a"},
            'network.availability_zones.1 is "us-west-2a"; accepted: a zone of us-east-1, such as us-east-1a',
        ),
        (
            {"network.cidr": "10.0.0.1/16"},
            (
                'network.cidr is "10.0.0.1/16"; '
                "accepted: an IPv4 network such as 10.40.0.0/16, with no host bits set"
            ),
        ),
        (
            {"network.cidr": "10.0.0.0/8"},
            'network.cidr is "10.0.0.0/8"; accepted: a prefix length from 16 to 24',
        ),
        (
            {"persona.instructions": "x" * 3000},
            'persona is "3379 bytes as JSON"; accepted: at most 2560 bytes as JSON',
        ),
    ],
)
def test_impossible_combination(refusal: Refusal, changes: dict[str, object], message: str) -> None:
    name = changes.get("name", "prod")
    assert refusal(changes) == f"environments/{name}.yaml: {message}"


def test_long_values_are_cut(refusal: Refusal) -> None:
    assert refusal({"retrieval": "x" * 200}) == (
        FILE + 'retrieval is "' + "x" * 78 + "…; "
        "accepted: a mapping with the keys top_k, context_tokens, min_score, fallback"
    )


def test_fp8_is_accepted_where_every_gpu_has_it(load_changed: LoadChanged) -> None:
    environment = load_changed(
        {"model.quantization": "fp8", "realtime.instance_types": ["ml.g6e.xlarge", "ml.p5.4xlarge"]}
    )
    assert environment.model.quantization == "fp8"


def test_cuda_12_images_run_on_newer_drivers(load_changed: LoadChanged) -> None:
    environment = load_changed({"model.image.tag": "0.20.0-gpu-py312-cu128-ubuntu24.04-sagemaker"})
    assert environment.model.image.cuda == (12, 8)


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
