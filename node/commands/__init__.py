"""What each subcommand of `onsale` does, and how it shows what it found."""
