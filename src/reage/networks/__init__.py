"""torch modules only: no losses, no files, no optimisers."""
