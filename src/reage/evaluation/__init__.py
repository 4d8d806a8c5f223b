"""Evaluation of models: judging networks, metrics, the protocol and the report. A network that judges never teaches."""
