"""What a field more in every VMA would cost, derived from the sizes that were read."""
