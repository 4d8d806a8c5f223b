"""Settings, losses, the one training loop, checkpoints and export."""
