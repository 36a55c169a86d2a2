"""Jobs: background responses and batches, kept in a table and a bucket until they are done and fetched."""
