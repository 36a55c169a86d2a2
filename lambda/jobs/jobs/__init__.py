"""Brings jobs to their end: outcomes of invocations, jobs that are overdue, and webhooks."""
