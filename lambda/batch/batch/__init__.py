"""The steps of a batch: what comes before and after the transform job that asks the model."""
