"""Measures what Savia promises and writes the table in benchmarks/README.md; run by `make bench`."""
