"""Values that are fine alone and impossible together."""

from __future__ import annotations

import pytest

from tests.settings.conftest import LoadChanged, Refusal
from twin.settings.regions import IMAGE_PUBLISHERS


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
            {"realtime.instance_types": ["ml.m5.xlarge"]},
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
            {
                "region": "ap-southeast-3",
                "network.availability_zones": ["ap-southeast-3a", "ap-southeast-3b"],
            },
            (
                'model.image.account is "763104351884"; accepted: 907027046896, under which AWS publishes '
                "the image in ap-southeast-3, or an account of yours"
            ),
        ),
        (
            {"region": "eu-west-3"},
            (
                'region is "eu-west-3"; accepted: a region that has S3 Vectors and inference components: '
                + ", ".join(IMAGE_PUBLISHERS)
            ),
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
            'persona is "3379 bytes as JSON"; accepted: at most 2304 bytes as JSON',
        ),
    ],
)
def test_impossible_combination(refusal: Refusal, changes: dict[str, object], message: str) -> None:
    name = changes.get("name", "prod")
    assert refusal(changes) == f"environments/{name}.yaml: {message}"


def test_fp8_is_accepted_where_every_gpu_has_it(load_changed: LoadChanged) -> None:
    environment = load_changed(
        {
            "model.quantization": "fp8",
            "realtime.instance_types": ["ml.g6e.xlarge", "ml.p5.4xlarge"],
            "asynchronous.instance_types": ["ml.g6e.xlarge"],
        }
    )
    assert environment.model.quantization == "fp8"


def test_cuda_12_images_run_on_newer_drivers(load_changed: LoadChanged) -> None:
    environment = load_changed({"model.image.tag": "0.20.0-gpu-py312-cu128-ubuntu24.04-sagemaker"})
    assert environment.model.image.cuda == (12, 8)


@pytest.mark.parametrize("account", ["907027046896", "111122223333"])
def test_images_come_from_the_regions_publisher_or_an_account_of_ones_own(
    load_changed: LoadChanged, account: str
) -> None:
    zones = ["ap-southeast-3a", "ap-southeast-3b"]
    environment = load_changed(
        {
            "region": "ap-southeast-3",
            "network.availability_zones": zones,
            "model.image.account": account,
            "batch.image": {"account": account},
        }
    )
    assert environment.model.image.account == account


def test_copies_are_as_many_on_an_instance_as_its_memory_holds(load_changed: LoadChanged) -> None:
    environment = load_changed(
        {"realtime.instance_types": ["ml.g5.12xlarge"], "realtime.memory_mib_per_copy": 65_536}
    )
    assert environment.realtime.copies.max == 6
    assert environment.realtime.max_instances == 3
