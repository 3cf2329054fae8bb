"""Tokenizers: each item of a catalog as a short tuple of codes."""
