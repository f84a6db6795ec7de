"""Template tags of the frame; `{% load face %}`."""
