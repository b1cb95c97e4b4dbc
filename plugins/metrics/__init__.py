"""Metrics of classification and regression, built on torchmetrics."""
