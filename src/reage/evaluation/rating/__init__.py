"""Judged by people: pairs of outputs side by side, blind, and what the votes say of the models."""
