"""The words: what every other room speaks, and what imports nothing of ours but itself."""
