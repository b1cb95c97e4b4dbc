"""YOLO from Ultralytics."""
