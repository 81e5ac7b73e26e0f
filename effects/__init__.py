"""What committed facts ask of the outside world, and how its answers come back as commands."""
