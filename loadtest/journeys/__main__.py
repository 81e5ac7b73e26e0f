"""`python -m onsale.loadtest.journeys`."""

from .run import main

if __name__ == "__main__":
    main()
