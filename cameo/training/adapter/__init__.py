"""The identity adapter of a large generator, learned from clips of people who agreed to it."""
