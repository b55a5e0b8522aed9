"""What may come before the classifier of a ResNet; nothing here imports TensorFlow."""

POOLINGS = ("article", "global", "none")
ARTICLE_POOL = 8
"""Side of the article's average pooling: all of the last feature map of a 32x32 image."""
