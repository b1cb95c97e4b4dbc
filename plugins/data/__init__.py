"""Data adapters for texts, images and boxes in files, for data sets of the Hub, and for bundled data sets."""
