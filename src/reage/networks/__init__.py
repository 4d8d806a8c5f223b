"""Networks, as torch modules and nothing else: no losses, no files, no optimisers."""
