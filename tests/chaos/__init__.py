"""Killing what must not matter: workers, the web process, the broker; and far systems at their worst."""
