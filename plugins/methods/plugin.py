"""What the methods plugin announces."""
