"""Labelled faces for training: reading data sets, indexing them, packing their faces, and drawing batches."""
