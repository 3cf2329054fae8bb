"""Language models: loading, prompts, small ones made on the spot, and what they will cost."""
