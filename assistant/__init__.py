"""Middle floor: prompts, backends and answers, on top of retrieval."""
