"""Batches that SageMaker's batch transform could not run, and in which words they are refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from tests.settings.conftest import REMOVED, LoadChanged, Refusal
from twin.settings import load
from twin.settings.batch import (
    MOST_MIB_IN_FLIGHT,
    TRANSFORM_AMI_CUDA,
    TRANSFORM_INSTANCE_TYPES,
    BatchSettings,
    TransformImage,
)

FILE = "environments/prod.yaml: "
CUDA_12_8 = (
    "an image for CUDA 12.8 or older, such as 0.36.0-lmi20.0.0-cu128: "
    "the drivers of batch transform's hosts run none that is newer"
)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"batch.instance_type": "ml.p5.48xlarge"},
            (
                'batch.instance_type is "ml.p5.48xlarge"; accepted: a GPU type that SageMaker runs batch '
                "transform on (families g4dn, g5, g6, g6e), such as ml.g5.48xlarge"
            ),
        ),
        (
            {"batch.instance_type": "ml.g7e.2xlarge"},
            (
                'batch.instance_type is "ml.g7e.2xlarge"; accepted: a GPU type that SageMaker runs batch '
                "transform on (families g4dn, g5, g6, g6e), such as ml.g6e.2xlarge"
            ),
        ),
        (
            {"batch.image": {"tag": "0.38.0-lmi29.0.0-cu130"}},
            f'batch.image.tag is "0.38.0-lmi29.0.0-cu130"; accepted: {CUDA_12_8}',
        ),
        (
            {
                "batch.image": {
                    "repository": "vllm",
                    "tag": "0.30.0-gpu-py312-cu130-ubuntu24.04-sagemaker",
                }
            },
            f'batch.image.tag is "0.30.0-gpu-py312-cu130-ubuntu24.04-sagemaker"; accepted: {CUDA_12_8}',
        ),
        (
            {"batch.image": {"repository": "vllm", "tag": "0.12.0-gpu-py312-cu129-ubuntu22.04-sagemaker"}},
            f'batch.image.tag is "0.12.0-gpu-py312-cu129-ubuntu22.04-sagemaker"; accepted: {CUDA_12_8}',
        ),
        (
            {"batch.image": {"tag": "latest"}},
            ("batch.image.tag is \"latest\"; accepted: text such as '0.36.0-lmi20.0.0-cu128' (image tag)"),
        ),
        (
            {"batch.image": {"repository": "huggingface-pytorch-tgi-inference"}},
            (
                'batch.image.repository is "huggingface-pytorch-tgi-inference"; '
                "accepted: text such as 'djl-inference' or 'vllm' (ECR repository name)"
            ),
        ),
        (
            {"batch.transform_ami": "al2-ami-sagemaker-batch-gpu-470"},
            (
                'batch.transform_ami is "al2-ami-sagemaker-batch-gpu-470"; accepted: '
                "al2-ami-sagemaker-batch-gpu-535, because the image is built for CUDA 12.8"
            ),
        ),
        (
            {"batch.transform_ami": "al2023-ami-sagemaker-inference-gpu-4-1"},
            (
                'batch.transform_ami is "al2023-ami-sagemaker-inference-gpu-4-1"; accepted: one of '
                "al2-ami-sagemaker-batch-gpu-470, al2-ami-sagemaker-batch-gpu-535 (transform AMI version)"
            ),
        ),
        (
            {"batch.model_data_url": "s3://llm-twin-prod-weights/llm-twin-8b/1/"},
            (
                'batch.model_data_url is "s3://llm-twin-prod-weights/llm-twin-8b/1/"; '
                "accepted: text such as 's3://my-models/llm-twin-8b/3/model.tar.gz' (S3 URI of a .tar.gz)"
            ),
        ),
        (
            {"batch.concurrent_requests_per_instance": 17},
            (
                "batch.concurrent_requests_per_instance is 17; accepted: at most 16: with max_payload_mib 6, "
                "more would pass SageMaker's 100 MiB in flight"
            ),
        ),
        (
            {"batch.max_payload_mib": 101},
            "batch.max_payload_mib is 101; accepted: an integer from 1 to 100 (MiB)",
        ),
        (
            {"batch.invocation_timeout_seconds": 3601},
            "batch.invocation_timeout_seconds is 3601; accepted: an integer from 1 to 3600 (seconds)",
        ),
        (
            {"batch.invocation_retries": 4},
            "batch.invocation_retries is 4; accepted: an integer from 0 to 3 (attempts)",
        ),
        (
            {"batch.max_lines": 50_001},
            "batch.max_lines is 50001; accepted: an integer from 1 to 50000 (lines)",
        ),
        (
            {"batch.lines_per_shard": 9},
            "batch.lines_per_shard is 9; accepted: an integer from 10 to 2000 (lines)",
        ),
        (
            {"batch.timeout_hours": 25},
            "batch.timeout_hours is 25; accepted: an integer from 1 to 24 (hours)",
        ),
        (
            {"batch.instances": 101},
            "batch.instances is 101; accepted: an integer from 1 to 100 (instances)",
        ),
    ],
)
def test_what_cannot_work_is_refused(refusal: Refusal, changes: dict[str, object], message: str) -> None:
    assert refusal(changes) == FILE + message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"model.quantization": "fp8", "realtime.instance_types": ["ml.g6e.xlarge"]}
            | {"asynchronous": REMOVED, "batch.instance_type": "ml.g5.xlarge"},
            (
                'model.quantization is "fp8"; accepted: none, awq, gptq or bitsandbytes while '
                "batch.instance_type is ml.g5.xlarge (A10G, ampere); fp8 runs on ada, blackwell, hopper"
            ),
        ),
        (
            {"batch.instance_type": "ml.g4dn.12xlarge"},
            (
                'model.dtype is "bfloat16"; accepted: float16 while batch.instance_type is ml.g4dn.12xlarge '
                "(T4, turing), which has no bfloat16"
            ),
        ),
        (
            {"batch.concurrent_requests_per_instance": 48, "batch.max_payload_mib": 2},
            (
                "batch.concurrent_requests_per_instance is 48; "
                "accepted: at most model.max_num_seqs, which is 32; more would wait"
            ),
        ),
        (
            {"batch.image": {"account": "907027046896"}},
            (
                'batch.image.account is "907027046896"; accepted: 763104351884, under which AWS publishes '
                "the image in us-east-1, or an account of yours"
            ),
        ),
    ],
)
def test_a_batch_that_cannot_run_the_model_is_refused(
    refusal: Refusal, changes: dict[str, object], message: str
) -> None:
    assert refusal(changes) == FILE + message


def test_an_environment_may_do_without_batches(load_changed: LoadChanged) -> None:
    assert load_changed({"batch": REMOVED}).batch is None


def test_a_mirror_of_an_image_is_configured_like_the_original(load_changed: LoadChanged) -> None:
    mirrored = load_changed(
        {
            "batch.image": {
                "account": "444444444444",
                "repository": "mirror/vllm",
                "tag": "0.11.0-gpu-py312-cu128-ubuntu22.04-sagemaker",
            }
        }
    ).batch
    assert mirrored is not None
    assert mirrored.image.cuda == (12, 8)
    assert not mirrored.image.is_lmi
    assert TransformImage(repository="mirror/djl-inference").is_lmi


def test_an_image_for_cuda_11_runs_on_both_host_images(load_changed: LoadChanged) -> None:
    for ami in TRANSFORM_AMI_CUDA:
        loaded = load_changed(
            {"batch.image": {"tag": "0.23.0-deepspeed0.9.5-cu118"}, "batch.transform_ami": ami}
        )
        assert loaded.batch is not None
        assert loaded.batch.transform_ami == ami


@pytest.mark.parametrize("hours", [1, 7, 24])
def test_the_transform_job_ends_before_the_batch(load_changed: LoadChanged, hours: int) -> None:
    batch = load_changed({"batch.timeout_hours": hours}).batch
    assert batch is not None
    assert batch.timeout_seconds == hours * 3600
    assert batch.transform_timeout_seconds == hours * 3150


def test_payloads_in_flight_stay_within_the_services_limit() -> None:
    for payload in range(1, 101):
        batch = BatchSettings(
            instance_type="ml.g6e.xlarge",
            model_data_url="s3://models/twin/model.tar.gz",
            max_payload_mib=payload,
            concurrent_requests_per_instance=MOST_MIB_IN_FLIGHT // payload,
        )
        assert batch.max_payload_mib * batch.concurrent_requests_per_instance <= 100


def shape(name: str) -> Any:
    """A shape of SageMaker's API."""
    return botocore.session.get_session().get_service_model("sagemaker").shape_for(name)


def test_instance_types_are_those_of_the_service_with_a_known_gpu() -> None:
    families = ("ml.g4dn.", "ml.g5.", "ml.g6.", "ml.g6e.")
    of_the_service = {name for name in shape("TransformInstanceType").enum if name.startswith(families)}
    assert set(TRANSFORM_INSTANCE_TYPES) == of_the_service


def test_host_images_are_those_of_the_service() -> None:
    documentation = shape("TransformResources").members["TransformAmiVersion"].documentation
    assert set(re.findall(r"al2[\w-]*-batch-gpu-\d+", documentation)) == set(TRANSFORM_AMI_CUDA)


@pytest.mark.parametrize("name", ["local", "dev", "staging", "prod"])
def test_every_environment_has_batches(name: str) -> None:
    assert load(Path(__file__).parents[2] / "environments" / f"{name}.yaml").batch is not None
