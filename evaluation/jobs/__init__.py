"""What jobs do, and how they are kept apart."""
