"""The layers as pure functions on tensors (NHWC): forward, backwards, closed-form gradients."""
