"""Policy: who may use a server. Compiled into the tables that the engine looks things up in."""
