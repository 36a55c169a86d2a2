"""Keeps the index of vectors in step with the corpus bucket."""
