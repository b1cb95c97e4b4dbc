"""A target type for labels in an order."""
