"""Generators of documents, templates and pictures, and the table of import rules."""
