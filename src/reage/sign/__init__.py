"""Signatures: C2PA Content Credentials written into what reage edits, and read from any picture (extra ``sign``)."""
