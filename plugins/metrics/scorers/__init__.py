"""The arithmetic of the metrics, as streaming torchmetrics modules and as vectorized bootstrap scores."""
