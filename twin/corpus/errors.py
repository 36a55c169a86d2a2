"""What can be wrong with a corpus, in words for the person who syncs it."""

from __future__ import annotations


class CorpusError(Exception):
    """The folder cannot be synced as it is; the message names the file and what would be accepted."""


class StalledError(CorpusError):
    """Indexing has stopped; the message says which objects it did not get to."""
