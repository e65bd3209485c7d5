"""The contract of the API, and the desk at which requests are checked and answered."""
