"""The names of the files in a run's folder."""

from __future__ import annotations

REPORT, LOG, PREDICTIONS, CONFIG = "report.json", "log.jsonl", "predictions.jsonl", "config.yaml"
MODEL, CHECKPOINTS, SAMPLES, PICTURE = "model", "checkpoints", "samples.png", "predictions.png"
