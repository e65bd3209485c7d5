"""HTTP: the contract of the API, and the dispatcher that checks and answers each request."""
