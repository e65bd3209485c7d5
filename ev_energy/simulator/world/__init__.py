"""The state behind the API: tables of rows, logs, links between them, and homes."""
