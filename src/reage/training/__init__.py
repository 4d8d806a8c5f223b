"""Training: settings, families of networks, losses, the training loop, checkpoints, export and import."""
