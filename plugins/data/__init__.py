"""Data adapters for text: tables, files of lines, the Hub, and the embedded reviews."""
