"""The range of ages that everything here speaks of."""

MAX_AGE = 116.0
"""Years: the oldest label of UTKFace, and the oldest age that can be asked for."""
