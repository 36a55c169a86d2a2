"""Amazon S3 Vectors: buckets, indexes, and exact nearest-neighbour queries with metadata filters."""

from twin.local.services.vectors.app import create_app, run
from twin.local.services.vectors.state import VectorsState

__all__ = ["VectorsState", "create_app", "run"]
