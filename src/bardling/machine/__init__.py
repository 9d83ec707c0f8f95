"""What the computer is asked for: randomness that is a pure function, and a polite stop."""
