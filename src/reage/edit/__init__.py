"""Applying an edit to a photograph: where it may act, how it is enlarged and blended in, and its layers."""
