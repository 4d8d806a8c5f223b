"""Labelled faces for training: readers of data sets, their index, and what is drawn from it."""
