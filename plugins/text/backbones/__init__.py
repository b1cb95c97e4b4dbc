"""What Graft knows about the text architectures of transformers."""
