"""HTTP of the simulated API: from a request to the reply of its operation.

    aiohttp router ─► Dispatcher ─────────────────────────► handler of a family ─► Reply
                      │ token, rate limit     AuthorizationServer, RateLimiter   ▲
                      │ scopes, headers       _contract, _problems               │
                      │ path, EvEnergy-User   world                       _routes: listing,
                      │ query, body           _validation, _body          detail, log with
                      ▼                                                   _filters, _paging,
                  ProblemError ─► application/problem+json                _serialization

The contract (`CONTRACT`, derived from the facts of the API's description) says what each operation
takes and answers; the families in `resources` supply ``ROUTES``: the handler of each operation. The
dispatcher checks a request against the contract and calls the handler with a `Call`. A handler
returns a `Reply` or raises `ProblemError`; so does each check.
"""
