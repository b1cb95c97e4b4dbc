"""Text encoders through transformers."""
