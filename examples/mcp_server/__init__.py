"""An MCP server: three tools with which a language model uses the whole API.

``python -m examples.mcp_server`` starts it; the README beside this file describes it.
"""
