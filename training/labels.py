"""What the two classes are called in numbers, everywhere in training."""

FAKE, REAL = 0, 1
