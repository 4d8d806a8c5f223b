"""A package, so that its conftest does not take the place of that of tests/data."""
