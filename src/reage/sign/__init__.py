"""Signatures: writes C2PA Content Credentials into outputs, and reads them from any file (extra ``sign``)."""
