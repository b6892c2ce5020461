"""What writes the answer: one module per backend, one protocol for all of them."""
