"""The resources of the API: routes, rows and logs of each family together."""
