"""Bearer keys for API Gateway: any OpenAI SDK works under usage plans as it is."""
