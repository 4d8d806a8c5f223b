"""Training on rented machines: run folders kept in an archive elsewhere, and machines that end themselves."""
