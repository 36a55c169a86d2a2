"""A small asynchronous client of AWS's HTTP APIs: credentials, endpoints, Signature Version 4, errors.

botocore's own client blocks a thread per request, and importing its signer alone takes a quarter of the
function's import budget.
"""
