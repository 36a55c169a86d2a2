"""One environment file, and the rules across its sections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Self

from pydantic import model_validator

from twin.settings.accelerators import FP8_ARCHITECTURES, InstanceType, runs_dtype, runs_quantization
from twin.settings.api import ApiSettings
from twin.settings.asynchronous import AsynchronousSettings
from twin.settings.base import Section, refuse, setting
from twin.settings.batch import BatchSettings, check_batch
from twin.settings.functions import FunctionSettings, LogSettings
from twin.settings.jobs import LOOPBACK, JobSettings
from twin.settings.local import LocalSettings
from twin.settings.model import ModelSettings
from twin.settings.nearest import nearest
from twin.settings.network import NetworkSettings
from twin.settings.persona import Persona
from twin.settings.realtime import RealtimeSettings
from twin.settings.regions import IMAGE_PUBLISHERS
from twin.settings.retrieval import RetrievalSettings

LOCAL = "local"
DISPOSABLE = frozenset({LOCAL, "dev"})
"""Environments whose data may be deleted with their stacks."""

QUESTION_TOKENS = 512
"""Tokens of the context window kept for the persona and the conversation."""


class Environment(Section):
    """Everything that one environment chooses."""

    name: str = setting(
        "Name of the environment and of its file.", unit="name", pattern=r"^[a-z][a-z0-9]{1,15}$"
    )
    account: str = setting(
        "AWS account.", unit="AWS account id", pattern=r"^\d{12}$", examples=["111122223333"]
    )
    region: str = setting(
        "AWS region.", unit="region name", pattern=r"^[a-z]{2}(-[a-z]+)+-\d$", examples=["us-east-1"]
    )
    removal: Literal["retain", "destroy"] = setting(
        "What becomes of stored data when its stack is deleted.", unit="policy"
    )
    model: ModelSettings = setting("The model.", unit="section")
    realtime: RealtimeSettings = setting("How the realtime endpoint runs.", unit="section")
    asynchronous: AsynchronousSettings | None = setting(
        "How the asynchronous endpoint runs; without the section there is none.", unit="section", default=None
    )
    batch: BatchSettings | None = setting(
        "How batches run; without the section there are none.", unit="section", default=None
    )
    jobs: JobSettings = setting("Background responses and batches.", unit="section", default=JobSettings())
    retrieval: RetrievalSettings = setting("Search in the corpus.", unit="section")
    persona: Persona = setting("Who the twin is.", unit="section")
    api: ApiSettings = setting("The API.", unit="section")
    network: NetworkSettings = setting("The private network.", unit="section")
    functions: FunctionSettings = setting("The Lambda functions.", unit="section", default=FunctionSettings())
    logs: LogSettings = setting("Logs.", unit="section")
    local: LocalSettings | None = setting(
        "The local cloud; only in local.yaml.", unit="section", default=None
    )

    @model_validator(mode="after")
    def _region_has_all_parts(self) -> Self:
        if self.region not in IMAGE_PUBLISHERS:
            refuse(
                "region",
                self.region,
                f"a region that has S3 Vectors and inference components: {', '.join(IMAGE_PUBLISHERS)}",
            )
        return self

    @model_validator(mode="after")
    def _data_outlives_stacks(self) -> Self:
        if self.removal == "destroy" and self.name not in DISPOSABLE:
            refuse(
                "removal", self.removal, f"retain; only {' and '.join(sorted(DISPOSABLE))} may destroy data"
            )
        return self

    @model_validator(mode="after")
    def _local_only_in_local(self) -> Self:
        if self.local is not None and self.name != LOCAL:
            refuse(
                "local", self.local.model_dump(), "no value; the section belongs in the environment 'local'"
            )
        if self.local is None and self.name == LOCAL:
            refuse(
                "local",
                None,
                "the section 'local' with model, time_to_first_token_ms, inter_token_latency_ms",
            )
        return self

    @model_validator(mode="after")
    def _context_window_holds_all(self) -> Self:
        room = self.model.max_model_len - QUESTION_TOKENS - self.api.max_output_tokens
        if room < self.retrieval.context_tokens:
            refuse(
                "retrieval.context_tokens",
                self.retrieval.context_tokens,
                f"at most {max(room, 0)} tokens: model.max_model_len {self.model.max_model_len} less "
                f"api.max_output_tokens {self.api.max_output_tokens} less {QUESTION_TOKENS} "
                "for persona and question",
            )
        return self

    @model_validator(mode="after")
    def _gpus_run_the_model(self) -> Self:
        for key, instance in self._instances():
            if not runs_quantization(instance, self.model.quantization):
                refuse(
                    "model.quantization",
                    self.model.quantization,
                    f"none, awq, gptq or bitsandbytes while {key} has {instance.name} "
                    f"({instance.gpu}, {instance.architecture}); "
                    f"fp8 runs on {', '.join(sorted(FP8_ARCHITECTURES))}",
                )
            if not runs_dtype(instance, self.model.dtype):
                refuse(
                    "model.dtype",
                    self.model.dtype,
                    f"float16 while {key} has {instance.name} "
                    f"({instance.gpu}, {instance.architecture}), which has no bfloat16",
                )
        return self

    def _instances(self) -> Iterator[tuple[str, InstanceType]]:
        """Each instance type that the model runs on, with the key that names it."""
        for instance in self.realtime.instances:
            yield "realtime.instance_types", instance
        if self.asynchronous is not None:
            for instance in self.asynchronous.hosts:
                yield "asynchronous.instance_types", instance

    @model_validator(mode="after")
    def _target_within_batch(self) -> Self:
        if self.realtime.target_concurrency_per_copy > self.model.max_num_seqs:
            refuse(
                "realtime.target_concurrency_per_copy",
                self.realtime.target_concurrency_per_copy,
                f"at most model.max_num_seqs, which is {self.model.max_num_seqs}; more would wait",
            )
        return self

    @model_validator(mode="after")
    def _invocations_within_batch(self) -> Self:
        if self.asynchronous is None:
            return self
        invocations = self.asynchronous.max_concurrent_invocations_per_instance
        if invocations > self.model.max_num_seqs:
            refuse(
                "asynchronous.max_concurrent_invocations_per_instance",
                invocations,
                f"at most model.max_num_seqs, which is {self.model.max_num_seqs}; more would wait",
            )
        return self

    @model_validator(mode="after")
    def _webhooks_belong_to_clients(self) -> Self:
        for client, url in self.jobs.webhooks.items():
            if client not in self.api.clients:
                refuse(
                    f"jobs.webhooks.{client}",
                    url,
                    f"the name of a client of api.clients ({', '.join(self.api.clients)}) as the key; "
                    f"nearest: {nearest(client, self.api.clients)}",
                )
            if not url.startswith("https://") and not (self.name == LOCAL and _is_loopback(url)):
                refuse(
                    f"jobs.webhooks.{client}",
                    url,
                    f"a URL that begins with https://; in the environment 'local' also {LOOPBACK}",
                )
        return self

    @model_validator(mode="after")
    def _zones_in_region(self) -> Self:
        for index, zone in enumerate(self.network.availability_zones):
            if zone[:-1] != self.region:
                refuse(
                    f"network.availability_zones.{index}",
                    zone,
                    f"a zone of {self.region}, such as {self.region}a",
                )
        return self

    @model_validator(mode="after")
    def _image_is_published_in_region(self) -> Self:
        publisher = IMAGE_PUBLISHERS[self.region]
        account = self.model.image.account
        if account != publisher and account in IMAGE_PUBLISHERS.values():
            refuse(
                "model.image.account",
                account,
                f"{publisher}, under which AWS publishes the image in {self.region}, or an account of yours",
            )
        return self

    @model_validator(mode="after")
    def _batches_run_the_model(self) -> Self:
        if self.batch is not None:
            check_batch(self.batch, model=self.model, region=self.region)
        return self

    @property
    def retains_data(self) -> bool:
        """Whether stored data outlives its stack."""
        return self.removal == "retain"


def _is_loopback(url: str) -> bool:
    return url.partition("?")[0].split("/")[2].partition(":")[0] == "127.0.0.1"
