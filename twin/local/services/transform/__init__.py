"""Batch transform: jobs that send the objects of an S3 prefix through a model."""

from twin.local.services.transform.jobs import TransformJobs, TransformOptions

__all__ = ["TransformJobs", "TransformOptions"]
