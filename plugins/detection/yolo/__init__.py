"""The family YOLO of Ultralytics."""
