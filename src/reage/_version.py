"""The version of reage, in a module that imports nothing, so that every other module may import it."""

__version__ = "0.1.0"
