"""From a trained model and its codec to a package: the only part of serving that knows PyTorch."""
