"""Sweeps: many short runs of one recipe, to find good values of some of its settings."""
