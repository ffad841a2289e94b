"""One OpenAI-compatible client: retries, capabilities, structured output."""
