"""Applies an edit to a photograph: masks, enlarging and blending, hair and neck, layers."""
