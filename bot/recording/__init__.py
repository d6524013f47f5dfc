"""Raw frames of both hubs on disk: what `bot record` writes and the paper gateway plays."""
