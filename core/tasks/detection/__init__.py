"""Object detection: boxes, matching, precision-recall curves and drawing."""
