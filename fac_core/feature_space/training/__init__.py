"""Training an SAE on a backbone's residual stream: recipe → corpus → residual shards → dictionary."""
