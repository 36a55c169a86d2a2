"""Functions of the local cloud: packages, processes, invocation."""
