"""Encoders: a vector for each item of a catalog."""
