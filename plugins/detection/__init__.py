"""Object detection with YOLO from Ultralytics, and with FCOS from torchvision under a permissive license."""
