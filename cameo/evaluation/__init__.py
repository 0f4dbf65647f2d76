"""Does a scene show and voice the person it was given? Measures, tables and plots; nothing here is trained."""
