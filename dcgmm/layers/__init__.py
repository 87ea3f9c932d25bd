"""The layers as pure functions on arrays (NHWC): forward, backwards, closed-form gradients."""
