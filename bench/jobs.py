"""Background responses and batches through the deployed pipeline, with a realtime client beside them."""

from __future__ import annotations

import io
import json
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from openai import OpenAI

from bench.cranfield import DATA
from bench.memory import megabytes_in_use
from bench.report import Row
from stacks.naming import Names, Outputs
from twin.deployment.outputs import Deployment
from twin.deployment.target import LOCAL_ENVIRONMENT, Target

if TYPE_CHECKING:
    from openai.types import Batch

    from bench.clone import Clone

ACCEPTED = 60
JOBS = 1000
CLIENTS = 8, 64
FEW_LINES, LINES = 2_000, 10_000
ANSWER_TOKENS = 16
POLL_SECONDS = 1.0
"""Half as long as OpenAI's guide waits. Asking more often takes the machine from what is waited for."""

_RUNNING = {"queued", "in_progress", "validating", "finalizing", "cancelling"}


def measure(clone: Clone) -> list[Row]:
    bench = _Bench(clone)
    # Batches first: processes that jobs leave behind would count in the memory of the first batch alone.
    batches = bench.batches()
    return [*bench.accepting(), *bench.sustained(), *batches]


@dataclass
class _Observer:
    """What went on beside a batch: realtime latencies in ms, and the most memory in MB."""

    latencies: list[float] = field(default_factory=list)
    cloud: float = 0.0
    functions: float = 0.0

    def weigh(self, clone: Clone) -> None:
        cloud, functions = megabytes_in_use(clone)
        self.cloud, self.functions = max(self.cloud, cloud), max(self.functions, functions)


class _Bench:
    def __init__(self, clone: Clone) -> None:
        connection = clone.connection
        self._clone = clone
        self._client = OpenAI(base_url=connection.base_url, api_key=connection.api_key, timeout=600)
        self._model = self._client.models.list().data[0].id
        self._questions = [
            entry["question"] for entry in json.loads(DATA.read_text(encoding="utf-8"))["questions"]
        ]
        target = Target.of(LOCAL_ENVIRONMENT, region="us-east-1", port=clone.port, state=clone.state)
        self._sagemaker = target.client("sagemaker")
        self._deployment = Deployment(target)

    def accepting(self) -> list[Row]:
        """One client, one job after the other, retrieval included."""
        took = []
        for number in range(ACCEPTED):
            started = time.perf_counter()
            self._create(number)
            took.append((time.perf_counter() - started) * 1000)
        return [
            Row(
                "background job accepted, with retrieval, p50, through API Gateway",
                statistics.median(took),
                "ms",
                limit=60,
            )
        ]

    def sustained(self) -> list[Row]:
        """As many jobs from few clients and from many, and what they leave in the cloud's memory."""
        before, _ = megabytes_in_use(self._clone)
        rows = [row for clients in CLIENTS for row in self._jobs(clients)]
        after, _ = megabytes_in_use(self._clone)
        what = f"memory of the local cloud after these {JOBS * len(CLIENTS):,} jobs"
        return [*rows, Row(what, after, "MB", beside=before, rival="before them")]

    def _jobs(self, clients: int) -> list[Row]:
        """From the first job created until the last one has ended."""
        started = time.perf_counter()
        with ThreadPoolExecutor(clients) as pool:
            jobs = list(pool.map(self._create, range(JOBS)))
            statuses = list(pool.map(self._end, jobs))
        seconds = time.perf_counter() - started
        # An answer that its limit cut off is incomplete, and answered.
        answered = statuses.count("completed") + statuses.count("incomplete")
        return [
            Row(f"background jobs from {clients} clients, created to ended", JOBS / seconds, "jobs/s"),
            Row(f"of these {JOBS:,} jobs, answered", answered, "", limit=JOBS, at_least=True),
        ]

    def batches(self) -> list[Row]:
        """The whole way of a file, against the transform job alone over the same requests."""
        few = self._batch(FEW_LINES)[2]
        batch, seconds, many = self._batch(LINES)
        bare = self._bare(batch.id)
        in_order = self._in_order(batch)
        return [
            Row(
                f"batch of {LINES:,} lines, file to files",
                LINES / seconds,
                "lines/s",
                at_least=True,
                beside=LINES / bare,
                rival="the transform job alone",
            ),
            Row(
                "of its lines, answered or in the error file, in order",
                in_order,
                "",
                limit=LINES,
                at_least=True,
            ),
            Row("realtime request beside the batch, p50", statistics.median(many.latencies), "ms"),
            self._most(f"most memory of the local cloud, {LINES:,} lines", many.cloud, few.cloud),
            self._most(f"most memory of its functions, {LINES:,} lines", many.functions, few.functions),
        ]

    @staticmethod
    def _most(what: str, many: float, few: float) -> Row:
        return Row(what, many, "MB", beside=few, rival=f"{FEW_LINES:,} lines")

    def _create(self, number: int) -> str:
        question = self._questions[number % len(self._questions)]
        response = self._client.responses.create(
            model=self._model, input=question, background=True, max_output_tokens=ANSWER_TOKENS
        )
        return response.id

    def _end(self, job: str) -> str | None:
        while (status := self._client.responses.retrieve(job).status) in _RUNNING:
            time.sleep(POLL_SECONDS)
        return status

    def _batch(self, count: int) -> tuple[Batch, float, _Observer]:
        """Batch, seconds from the upload to the end, and what was observed meanwhile."""
        content = "".join(self._line(number) for number in range(count)).encode()
        with self._observed() as observer:
            started = time.perf_counter()
            file = self._upload(content)
            batch = self._client.batches.create(
                input_file_id=file, endpoint="/v1/chat/completions", completion_window="24h"
            )
            while batch.status in _RUNNING:
                time.sleep(0.2)
                batch = self._client.batches.retrieve(batch.id)
            seconds = time.perf_counter() - started
        if batch.status != "completed":
            raise RuntimeError(f"the batch ended as {batch.status}: {batch.errors}")
        return batch, seconds, observer

    def _upload(self, content: bytes) -> str:
        return self._client.files.create(file=("lines.jsonl", io.BytesIO(content)), purpose="batch").id

    def _line(self, number: int) -> str:
        question = self._questions[number % len(self._questions)]
        body = {
            "model": self._model,
            "messages": [{"role": "user", "content": question}],
            "max_tokens": ANSWER_TOKENS,
        }
        line = {"custom_id": str(number), "method": "POST", "url": "/v1/chat/completions", "body": body}
        return json.dumps(line) + "\n"

    def _in_order(self, batch: Batch) -> int:
        """Lines of both files together, if each file has them in the order of the input."""
        total = 0
        for file in (batch.output_file_id, batch.error_file_id):
            if file is not None:
                text = self._client.files.content(file).text
                numbers = [int(json.loads(line)["custom_id"]) for line in text.splitlines()]
                if numbers != sorted(set(numbers)):
                    raise RuntimeError(f"{file} is not in order")
                total += len(numbers)
        return total

    def _bare(self, batch_id: str) -> float:
        """Seconds of a transform job over the requests that the batch prepared."""
        digits = batch_id.rpartition("_")[2]
        (ended,) = self._sagemaker.list_transform_jobs(NameContains=digits)["TransformJobSummaries"]
        done = self._sagemaker.describe_transform_job(TransformJobName=ended["TransformJobName"])
        bucket = self._deployment.output("storage", Outputs.EXCHANGE_BUCKET)
        name = f"{Names(LOCAL_ENVIRONMENT).stack('bench')}-{time.time_ns()}"
        kept = ("ModelName", "MaxConcurrentTransforms", "MaxPayloadInMB", "BatchStrategy", "TransformInput")
        started = time.perf_counter()
        self._sagemaker.create_transform_job(
            TransformJobName=name,
            **{key: done[key] for key in (*kept, "TransformResources", "DataProcessing")},
            TransformOutput={
                **done["TransformOutput"],
                "S3OutputPath": f"s3://{bucket}/jobs/bench/{name}/",
            },
        )
        while (status := self._transform_status(name)) == "InProgress":
            time.sleep(0.2)
        if status != "Completed":
            raise RuntimeError(f"the bare transform job ended as {status}")
        return time.perf_counter() - started

    def _transform_status(self, name: str) -> str:
        return str(self._sagemaker.describe_transform_job(TransformJobName=name)["TransformJobStatus"])

    @contextmanager
    def _observed(self) -> Iterator[_Observer]:
        """Sample memory, and ask a realtime question each second, while the block runs."""
        observer, stop = _Observer(), threading.Event()

        def observe() -> None:
            while not stop.wait(1.0):
                observer.weigh(self._clone)
                started = time.perf_counter()
                self._client.chat.completions.create(
                    model=self._model,
                    messages=[{"role": "user", "content": self._questions[0]}],
                    max_tokens=1,
                )
                observer.latencies.append((time.perf_counter() - started) * 1000)

        thread = threading.Thread(target=observe)
        thread.start()
        try:
            yield observer
        finally:
            stop.set()
            thread.join()
