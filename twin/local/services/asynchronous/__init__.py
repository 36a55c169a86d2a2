"""Asynchronous endpoints: a durable queue per endpoint, results in S3, notifications through SNS."""

from twin.local.services.asynchronous.backlog import Backlog
from twin.local.services.asynchronous.dispatcher import Dispatcher
from twin.local.services.asynchronous.invocation import Collaborators

__all__ = ["Backlog", "Collaborators", "Dispatcher"]
