"""Drivers: one module per model of instrument, and what they share."""
