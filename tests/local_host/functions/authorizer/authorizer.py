"""A token authorizer that counts its invocations in the context that it returns."""

INVOCATIONS = []


def handler(event, context):
    scheme, _, token = event["authorizationToken"].partition(" ")
    if scheme != "Bearer" or token == "refused":
        raise Exception("Unauthorized")
    INVOCATIONS.append(token)
    stage = "/".join(event["methodArn"].split("/")[:2])
    statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": f"{stage}/*"}
    return {
        "principalId": "client",
        "usageIdentifierKey": token,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": {"invocations": len(INVOCATIONS)},
    }
