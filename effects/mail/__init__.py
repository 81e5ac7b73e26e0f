"""E-mail: where the server is, what a message says, and how it is handed over."""
