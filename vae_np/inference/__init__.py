"""Other ways to infer z from x, which the paper and its readers compare with."""
