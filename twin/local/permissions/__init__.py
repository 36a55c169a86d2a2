"""IAM for the functions' own calls: a role can do what its policies in the template allow, and nothing else.

Calls of the CDK command line, of the `twin` command and of tests are not checked.
"""
