"""Networks in plain torch, and the faster gradient of their depthwise convolutions."""
