"""The command line: one small file per command, each with `configure` (its arguments) and `run`."""
