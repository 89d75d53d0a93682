"""Who: users, workspaces, members and their roles. Knows nothing of money."""
