"""Messages of a queue that a function works off: one that fails comes again alone, after growing pauses."""
