"""Deploying an environment with the CDK command line, and reading back what was deployed."""
