"""Labelled faces for training: reads and indexes data sets, packs their faces, and draws batches."""
