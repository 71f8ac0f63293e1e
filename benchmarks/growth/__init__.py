"""How what the bridge costs grows with what it is given: figures, fitted exponents, and what each must be at most."""
