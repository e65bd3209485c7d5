"""The version, for the package and for what it tells servers of itself."""

__version__ = "0.2.0"
