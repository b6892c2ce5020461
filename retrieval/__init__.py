"""Ground floor: what a domain is, what its documents say, how to find a passage, and how well."""
