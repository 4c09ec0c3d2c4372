"""The instruments: one module per model, and what they share."""
