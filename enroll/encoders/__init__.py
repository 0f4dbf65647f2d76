"""Embedding spaces: one file each, found through ``registry``."""
