"""What we conclude from messages: journal, columns, windows, rules, alerts, history."""
