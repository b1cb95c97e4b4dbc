"""Text encoders and decoders from transformers."""
