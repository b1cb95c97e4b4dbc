"""The family FCOS of torchvision."""
