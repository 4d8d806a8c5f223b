"""Applying an edit to a photograph: where it acts, how it is enlarged and blended in, and its layers."""
