"""S3 and SQS in process, and the local cloud's S3 Vectors behind HTTP, for boto3's real clients."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import uvicorn

from twin.local.services.storage import Database
from twin.local.services.vectors import VectorsState, create_app

NON_FILTERABLE = ["text", "title", "url"]


@contextmanager
def vectors_service(folder: Path) -> Iterator[str]:
    """Serve S3 Vectors on a free port of 127.0.0.1 and give its URL."""
    database = Database(folder / "state.sqlite")
    config = uvicorn.Config(create_app(VectorsState(database)), port=0, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    listener = config.bind_socket()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
        database.close()


def vectors_client(url: str) -> Any:
    """A client of S3 Vectors with a bucket `vectors` that has an index `corpus` of 4 dimensions."""
    client = boto3.client("s3vectors", endpoint_url=url)
    client.create_vector_bucket(vectorBucketName="vectors")
    client.create_index(
        vectorBucketName="vectors",
        indexName="corpus",
        dataType="float32",
        dimension=4,
        distanceMetric="cosine",
        metadataConfiguration={"nonFilterableMetadataKeys": NON_FILTERABLE},
    )
    return client
