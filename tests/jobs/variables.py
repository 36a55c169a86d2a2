"""Environment variables as the templates set them."""

from __future__ import annotations

import json

COMMON = {
    "TWIN_ENVIRONMENT": "test",
    "POWERTOOLS_SERVICE_NAME": "jobs",
    "POWERTOOLS_METRICS_NAMESPACE": "LlmTwin",
    "WEBHOOK_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/000000000000/webhooks",
}

SETTLING = {**COMMON, "JOBS_TABLE_NAME": "jobs", "EXCHANGE_BUCKET_NAME": "exchange"}

OUTCOMES = {
    **SETTLING,
    "OUTCOME_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/000000000000/outcomes",
}

SWEEP = {
    **SETTLING,
    "BATCH_STATE_MACHINE_ARN": "arn:aws:states:us-east-1:000000000000:stateMachine:twin-test-batch",
}

WEBHOOKS = {
    **COMMON,
    "WEBHOOKS": json.dumps(
        {"app": {"url": "https://app.example/hook", "secret_id": "twin-test-webhook-app"}}
    ),
}
