"""Trunks: embedded tokens in, hidden vectors out."""
