"""Encoders and decoders for texts, written out in PyTorch."""
