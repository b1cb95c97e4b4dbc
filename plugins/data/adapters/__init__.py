"""The data adapters."""
