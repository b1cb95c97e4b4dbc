"""What the data plugin announces."""
