"""Worlds whose every probability is known: data to learn from, and the best score that can be reached on it."""
