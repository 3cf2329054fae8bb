"""Bricks that trunks are built of; they take plain arguments."""
