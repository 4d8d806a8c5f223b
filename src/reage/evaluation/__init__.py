"""Evaluation of models: judges, metrics, protocol and report. Judges never take part in training."""
