"""Photographs as files: decoding, encoding, metadata and the mark of an edit. Faces are not known here."""
