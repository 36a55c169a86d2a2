"""The tool side of the LLM Twin Stack: settings, bundling, the local cloud, the corpus and the CLI."""
