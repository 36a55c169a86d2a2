"""From a changed document to searchable vectors."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_lambda_event_sources as event_sources
from constructs import Construct

from stacks.base_stack import TwinStack
from stacks.bundles import Bundles
from stacks.constructs.python_function import FunctionPlace, PythonFunction, retrieval_layer
from stacks.naming import INDEX_STATE_PREFIX
from stacks.storage_stack import StorageStack
from twin.settings import Environment

_OBJECTS_PER_BATCH = 5


class IngestionStack(TwinStack):
    """The function that indexes the corpus, fed by the queue of its changes."""

    def __init__(
        self,
        scope: Construct,
        *,
        environment: Environment,
        bundles: Bundles,
        storage: StorageStack,
        place: FunctionPlace,
    ) -> None:
        super().__init__(
            scope, "ingestion", environment=environment, description="LLM twin: corpus ingestion"
        )
        functions = environment.functions
        ingestion = PythonFunction(
            self,
            "Ingestion",
            noun="ingestion",
            bundle=bundles.ingestion,
            handler="ingestion.handler.handler",
            description="Chunks, encodes and indexes corpus objects",
            memory_mib=functions.ingestion_memory_mib,
            timeout=cdk.Duration.seconds(functions.ingestion_timeout_seconds),
            layers=[retrieval_layer(self, "Retrieval", bundles.retrieval)],
            place=place,
            variables={
                "CORPUS_BUCKET_NAME": storage.corpus.name,
                "EXCHANGE_BUCKET_NAME": storage.exchange.name,
                "VECTOR_BUCKET_NAME": storage.vectors.bucket_name,
                "VECTOR_INDEX_NAME": storage.vectors.index_name,
                "CHANGE_QUEUE_URL": storage.changes.queue.queue_url,
                "DEAD_LETTER_QUEUE_URL": storage.changes.dead_letters.queue_url,
            },
        )
        storage.corpus.grant_read(
            ingestion.role,
            risk="The function reads every corpus object: indexing all of them is its purpose.",
        )
        storage.exchange.grant_read_write(
            ingestion.role,
            prefix=INDEX_STATE_PREFIX,
            risk="The function can change the record of any object's indexing, so a fault in it can cause "
            "needless work or leave stale vectors; it can reach nothing else in the bucket.",
        )
        storage.vectors.grant_index(ingestion.role)
        storage.changes.grant_send_dead_letter(ingestion.role)
        ingestion.function.add_event_source(
            event_sources.SqsEventSource(
                storage.changes.queue,
                batch_size=_OBJECTS_PER_BATCH,
                max_concurrency=functions.ingestion_concurrency,
                report_batch_item_failures=True,
            )
        )
