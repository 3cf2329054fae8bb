"""What fitted systems compute, as plain graphs over padded rows that need none of us to run."""
