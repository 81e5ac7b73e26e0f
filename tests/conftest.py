"""For all tests."""

from hypothesis import settings

settings.register_profile("onsale", deadline=None)  # how long an example takes is the machine's affair
settings.load_profile("onsale")
