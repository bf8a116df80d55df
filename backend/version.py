"""The version, once. `pyproject.toml` must say the same; a test compares them."""

VERSION = "0.1.0"
