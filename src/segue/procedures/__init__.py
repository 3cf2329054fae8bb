"""The order of the steps by which a model learns."""
