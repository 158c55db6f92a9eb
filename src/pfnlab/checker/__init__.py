"""The checker: searches every state or schedule of a scope, and judges it by properties."""
