"""FCOS from torchvision."""
