"""Object detection: YOLO through Ultralytics, and a detector of torchvision's under a permissive license."""
