class Refused(Exception):
    """Something that the person who asked can change; shown without a traceback."""
