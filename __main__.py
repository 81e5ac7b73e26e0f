"""`python -m onsale` is the command `onsale`."""

from .node.command_line import main

if __name__ == "__main__":
    main()
