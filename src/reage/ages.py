"""The range of ages, in years, that every part of the package uses."""

MAX_AGE = 116.0
"""The oldest age that can be asked for, in years: the oldest in the labels of UTKFace."""
