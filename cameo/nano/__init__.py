"""The embedded checkpoint: ``weights/`` is an LTX-2-format folder, README.md its model card."""
