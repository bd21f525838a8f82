"""Who may look: users, passwords, logins."""
