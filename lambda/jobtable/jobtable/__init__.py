"""What the functions agree on about jobs: their ids, records, states, and where their objects lie.

Everything here is a value. Requests are dictionaries of DynamoDB's API, so that each function sends them
through the client that it has.
"""
