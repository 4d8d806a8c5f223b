"""Judging models: features, measures, protocol and report. Networks that judge never teach."""
