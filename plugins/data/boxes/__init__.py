"""Read and write annotations of boxes: YOLO, VOC and COCO."""
