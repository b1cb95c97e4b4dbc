"""Image classification: every model of timm, prepared, augmented, saved and opened again."""
