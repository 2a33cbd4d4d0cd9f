"""Code tables of this lane, each naming where its codes come from."""
