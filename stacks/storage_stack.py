"""What outlives everything else: key, buckets, queues, vectors, jobs."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct

from stacks.base_stack import TwinStack
from stacks.constructs.change_feed import ChangeFeed
from stacks.constructs.delivery_rights import DeliveryRights
from stacks.constructs.encryption_key import EncryptionKey
from stacks.constructs.exchange_bucket import ExchangeBucket
from stacks.constructs.jobs_table import JobsTable
from stacks.constructs.object_bucket import AccessLogBucket, ObjectBucket
from stacks.constructs.vector_store import VectorStore
from stacks.naming import VECTOR_INDEX, Outputs
from twin.settings import Environment

_VISIBILITY_TIMEOUTS = 6
"""A message stays hidden for this many times the function's timeout, as Lambda advises."""


class StorageStack(TwinStack):
    """Stateful resources; retained when the stack is deleted, except in environments that say otherwise."""

    def __init__(self, scope: Construct, *, environment: Environment) -> None:
        super().__init__(scope, "storage", environment=environment, description="LLM twin: stored data")
        removal = cdk.RemovalPolicy.RETAIN if environment.retains_data else cdk.RemovalPolicy.DESTROY
        self.key = EncryptionKey(self, "Encryption", alias=self.names.encryption_key_alias, removal=removal)
        access_logs = AccessLogBucket(
            self, "AccessLogs", retention=cdk.Duration.days(environment.logs.retention_days), removal=removal
        )
        self.corpus = ObjectBucket(self, "Corpus", key=self.key, access_logs=access_logs, removal=removal)
        self.exchange = ExchangeBucket(
            self,
            "Exchange",
            key=self.key,
            access_logs=access_logs,
            jobs_retention=cdk.Duration.days(environment.jobs.retention_days),
            removal=removal,
        )
        self.jobs = JobsTable(self, "Jobs", key=self.key, removal=removal)
        self.changes = ChangeFeed(
            self,
            "CorpusChanges",
            source=self.corpus,
            bucket_names=self.names.buckets,
            key=self.key,
            visibility_timeout=cdk.Duration.seconds(
                _VISIBILITY_TIMEOUTS * environment.functions.ingestion_timeout_seconds
            ),
            removal=removal,
        )
        self.vectors = VectorStore(self, "Vectors", index_name=VECTOR_INDEX, key=self.key, removal=removal)
        self.delivery_rights = DeliveryRights(self, "DeliveryRights")
        self.output(Outputs.CORPUS_BUCKET, self.corpus.name)
        self.output(Outputs.EXCHANGE_BUCKET, self.exchange.name)
        self.output(Outputs.JOBS_TABLE, self.jobs.name)
        self.output(Outputs.VECTOR_BUCKET, self.vectors.bucket_name)
        self.output(Outputs.DEAD_LETTER_QUEUE_URL, self.changes.dead_letters.queue_url)
