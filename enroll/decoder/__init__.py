"""The part of Cameo that touches a hostile file: FFmpeg, in a process of its own.

``process`` starts it and reads what it says, ``wire`` is the format between the two, and everything else here runs in
the child: ``child`` (limits, then one job), ``survey`` and ``watch`` (the two jobs), ``pictures``, ``tone``, ``sound``.
The child imports PyAV and NumPy and nothing else, so that it starts quickly.
"""
