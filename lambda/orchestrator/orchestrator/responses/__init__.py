"""OpenAI's Responses API: answered at once by the realtime endpoint, or in the background."""
