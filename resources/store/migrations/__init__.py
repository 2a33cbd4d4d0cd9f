"""The store's schema, step by step. Each step widens first and narrows a release later."""
