"""The torchmetrics modules behind the metrics."""
