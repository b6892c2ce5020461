"""The page: one module per page and per reused piece."""
