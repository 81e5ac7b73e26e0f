"""Backups: the checkpoint and the journal copied to a folder or to S3 while the node runs, and brought back."""
