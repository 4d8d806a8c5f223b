"""Photographs as files: decoding, encoding, metadata and the mark of an edit. No faces, no torch."""
