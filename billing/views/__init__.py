"""The billing pages: thin, each parses, calls one service and answers. Every workspace's page carries one guard of workspaces.access."""
