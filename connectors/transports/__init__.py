"""Transports: the only code that opens sockets and files of far systems."""
