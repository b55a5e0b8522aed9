"""A student for other programs and devices; `exporting.export_model` writes and checks a file."""
