"""Image classification with the models of timm."""
