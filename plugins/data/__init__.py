"""Data adapters: tables and lines of text, folders and tables of images, the Hub, and the embedded data sets."""
