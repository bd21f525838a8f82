"""What people see: the HTTP API, the event stream and the page."""
