"""Pictures for the README, made from the running app."""
