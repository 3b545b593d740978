"""p(z|x) without the encoder, and log p(x): what the paper, and its readers, compare with.

- `grid`: the exact posterior of one or two latents, as a sum over a grid;
- `linear_gaussian`: a model in which everything has a closed form, classical mean field included;
- `hmc`: draws from the posterior, by a Markov chain (the paper's appendix D and E);
- `per_image`: a q of its own for each image, by gradients: what an encoder amortizes;
- `importance_sampling`: log p(x) from weighted draws, of q, of the prior, or of both;
- `appendix_d`: log p(x) from draws of the posterior.
"""
