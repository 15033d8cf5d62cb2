"""What the model directories share: files, images, outside tools, reports. It knows no model."""
