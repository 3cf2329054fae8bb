"""Numbers with a fingerprint: metrics, protocols, significance, and the report of a run."""
