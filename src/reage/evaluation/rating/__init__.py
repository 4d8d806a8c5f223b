"""Comparison by people: blind pairs of outputs, votes, and scores of the models."""
