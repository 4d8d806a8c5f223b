"""Photographs and geometry: decoding, faces, alignment, compositing. No learning, no torch."""
