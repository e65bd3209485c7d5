"""One call over the wire, whatever it is for.

    retry(out, send_once)        the only retry loop: policy, deadline, hooks
      └─ send_once
           ├─ attempt            token requests and uploads to presigned URLs
           └─ authorized         API calls (`ev_energy._api.authorize`): budget, token, attempt,
                                 and once more with a new token after 401
    attempt(out)                 one exchange: transport, hooks, tracer, log, recording

`outgoing.Outgoing` is what travels; `context.HttpContext` is what all calls of a client share.
"""
