"""What each fact does to the state; mirrors rules/, which says what a command leads to."""
