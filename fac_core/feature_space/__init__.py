"""Text → sparse feature activations: backbone, hook, SAE, content mask, pooling, health card and SAE training."""
