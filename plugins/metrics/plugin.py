"""What the metrics plugin announces."""
