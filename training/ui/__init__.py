"""Pages of the top floor: Data set and Training."""
