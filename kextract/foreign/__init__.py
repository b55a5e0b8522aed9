"""Other people's networks, made into Keras models that gradients can be had of."""
