"""Metrics of classification, regression and detection, built on torchmetrics."""
