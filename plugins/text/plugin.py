"""What the text plugin announces."""
