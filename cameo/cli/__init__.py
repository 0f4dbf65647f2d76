"""The command line: parse, call ``Studio``, print."""
