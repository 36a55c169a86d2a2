#!/bin/sh
# Starts the server that the Lambda Web Adapter passes requests to. Metrics are printed, so output is unbuffered.
export PYTHONPATH="${LAMBDA_TASK_ROOT}${PYTHONPATH:+:$PYTHONPATH}:/opt/python"
export PYTHONUNBUFFERED=1
exec python -m uvicorn orchestrator.app:app --host 127.0.0.1 --port "${AWS_LWA_PORT:-8080}" \
  --loop asyncio --http h11 --ws none --no-access-log --no-server-header --log-level warning \
  --timeout-keep-alive 65 --timeout-graceful-shutdown 5
