"""Set the portal up, start it, watch over it and stop it.

What runs before `.venv` exists (commands, bootstrap, assets, console, layout, problems) uses the standard library
alone.
"""
