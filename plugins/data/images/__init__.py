"""Folders and tables of images."""
