"""Constructs define resources; the stacks compose them."""
