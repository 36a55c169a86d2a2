"""CDK stacks: composition only; `stacks.constructs` define the resources."""
