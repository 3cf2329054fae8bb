"""Trunks with their ends, each answering in one form."""
