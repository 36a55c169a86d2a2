"""Environment variables as the template sets them."""

from __future__ import annotations

import json

PERSONA = {
    "name": "Ada",
    "instructions": "Write like Ada.",
    "citation_instructions": "Cite the sources as [1].",
    "ungrounded_instructions": "Say that no source was found.",
}

COMMON = {
    "TWIN_ENVIRONMENT": "test",
    "POWERTOOLS_SERVICE_NAME": "batch",
    "POWERTOOLS_METRICS_NAMESPACE": "LlmTwin",
    "JOBS_TABLE_NAME": "jobs",
    "EXCHANGE_BUCKET_NAME": "exchange",
}

STEPS = {
    **COMMON,
    "WEBHOOK_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/000000000000/webhooks",
    "JOB_RETENTION_DAYS": "30",
    "MODEL_ID": "twin",
    "LINES_PER_SHARD": "3",
    "MAX_LINES": "50",
    "TRANSFORM_INSTANCES": "2",
}

AUGMENT = {
    **COMMON,
    "MAX_MODEL_LEN": "4096",
    "MAX_OUTPUT_TOKENS": "512",
    "MAX_PAYLOAD_MIB": "6",
    "VECTOR_BUCKET_NAME": "vectors",
    "VECTOR_INDEX_NAME": "corpus",
    "RETRIEVAL_TOP_K": "5",
    "RETRIEVAL_CONTEXT_TOKENS": "1500",
    "RETRIEVAL_MIN_SCORE": "0.3",
    "RETRIEVAL_FALLBACK": "fail",
    "PERSONA": json.dumps(PERSONA),
}
