"""API Gateway's data plane: what MiniStack's lacks for our APIs.

MiniStack routes, authorizes, throttles, counts quotas and validates. These modules add keys that come from
the authorizer, response streaming, the payload limit and access logs, by replacing functions of MiniStack's
module in memory while the cloud starts.
"""
