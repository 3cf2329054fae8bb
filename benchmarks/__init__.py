"""Measurements of segue beside its peers; run as modules from the repository's root."""
