"""Batches of chat completions: `/v1/batches`."""
