"""From a chat request to the model's prompt: shared by the functions that build prompts."""
