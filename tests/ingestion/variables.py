"""Environment variables as the template sets them."""

from __future__ import annotations

VARIABLES = {
    "TWIN_ENVIRONMENT": "test",
    "POWERTOOLS_SERVICE_NAME": "ingestion",
    "POWERTOOLS_METRICS_NAMESPACE": "LlmTwin",
    "CORPUS_BUCKET_NAME": "corpus",
    "EXCHANGE_BUCKET_NAME": "exchange",
    "VECTOR_BUCKET_NAME": "vectors",
    "VECTOR_INDEX_NAME": "corpus",
    "CHANGE_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/000000000000/changes",
    "DEAD_LETTER_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/000000000000/dead-letters",
}
