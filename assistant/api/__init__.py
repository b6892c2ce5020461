"""The API: questions over HTTP, in Savia's own shape and in that of OpenAI's chat completions."""
