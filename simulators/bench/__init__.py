"""How fast a server is, seen from the wire: load from raw sockets, and a viewer of its stream."""
