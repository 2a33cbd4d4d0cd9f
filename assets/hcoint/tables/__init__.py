"""Code tables of the lane, each with its origin."""
