"""Files of requests for batches, and of their results: `/v1/files`."""
