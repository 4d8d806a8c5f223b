"""Training on rented machines: copies run folders to a remote archive, and terminates the machine at the end."""
