"""How far what an experiment finds may be from what is recorded of it."""

from fnmatch import fnmatch

TOLERANCE = 1e-3  # relative, where nothing else is said
# Of one experiment: a pattern of keys, and what may differ, relative and absolute.
MAY_DIFFER = {
    "clouds": {  # rounded where they are written; and shares of 2000 draws
        "models.*.clouds.*": (TOLERANCE, 0.0002),
        "models.*.shown.*": (0, 0.001),
        "models.*.log_mixture_over_prior.*": (0.01, 0.02),
        "models.*.draws_in_a_hole": (0, 0.002),
        "models.*.decoded.*": (0, 3),  # grey levels, of 255
    },
    "collapse": {  # relu's kinks: of two runs, three layers deep, one has a latent in use less
        "models.*.course.latents_in_use.*": (0, 3),
        "models.Three layers deep*.latents_in_use": (0, 1),
        "models.Three layers deep*.course.*": (0.3, 0.02),
        "models.Three layers deep*.kl_of_each_latent.*": (0.1, 0.03),
        "models.Three layers deep*": (0.02, 0),
        "*kl*": (0.01, 0.001),  # of a latent not in use, rounding alone
        "findings": (0.02, 0),
    },
    "conditional": {"*right_by*": (0, 0.003)},  # shares of 1000 images
    "convolution": {"largest_error": (0, 1e-10), "findings": (TOLERANCE, 1e-10)},  # rounding itself
    "more_samples": {  # with K draws few have all the weight: steps of 0.01 carry rounding on
        "*standard_error": (0.2, 0),
        "runs.importance-weighted*.elbo": (0.03, 0),
        "gains_over_one_draw.*": (0.01, 0.05),
        "findings": (0.1, 0),
    },
    "posterior": {  # where rounding turns one proposal of HMC down, the chain goes another way
        "images.*.hmc_acceptance": (0, 0.05),
        "images.*.hmc_mean.*": (0.05, 0.05),
        "images.*.hmc_std.*": (0.2, 0),
        "images.*.hmc_shift": (0, 0.2),
        "images.*.hmc_r_hat": (0.05, 0),
        "findings": (0.02, 0.01),
    },
    "signal_to_noise": {  # trained as in more_samples
        "runs.*standard_error": (0.2, 0),
        "runs.*": (0.03, 0),
        "gradients.a model of digits*": (0.1, 0),
        "findings": (0.1, 0),
    },
    "small/figure_2": {  # of wake-sleep's two objectives each undoes what the other does
        "*.kl": (0.1, 0),
        "*.t*": (0.005, 0.05),
        "findings": (0.005, 0),
    },
    "small/figure_3": {  # one image, and chains that part where rounding turns a proposal down
        "*_error": (0.9, 0),
        "curves.[45].points*": (0.2, 0),
        "Monte_Carlo_EM*.points*": (0.2, 0),
        "*.points*.t*": (0.005, 0),
        "findings": (0.2, 0.3),
    },
    "the_gap": {  # rounding itself; and a closed form in float64, of the data alone
        "*identity_error": (0, 1e-10),
        "maximum_log_likelihood": (1e-9, 0),
        "findings": (TOLERANCE, 1e-10),
    },
    "two_estimators": {"points.*_z": (TOLERANCE, 0.01)},  # a mean that is nearly 0
    "why_mse": {  # rounding itself, and what is left of z where it says nothing
        "models.fixed.identity_error": (0, 1e-5),
        "findings": (TOLERANCE, 1e-5),
        "training_elbos.x = value/255.*": (0.01, 0),  # σ falls without end
        "models.bug.kl": (0, 0.001),
        "largest_difference_between_reconstructions_of_the_bug": (0, 0.001),
    },
    "why_q": {"*q_minus_reference.*": (0.01, 0.002), "findings": (0.01, 0)},  # of near equals
    "why_reparameterize": {  # noisy steps of 0.01: two runs part, by up to 3 % at an epoch
        "histories.score function, baseline.*": (0.1, 0),
        "*z_score": (0.01, 0.01),
        "findings": (0.02, 0.05),
    },
}
SHARE = 0.005  # of a picture's blocks, those that may differ
PICTURES_MAY_DIFFER = {
    "collapse": 0.1,  # relu's kinks, and the curves of six models
    "more_samples": 0.25,  # it shows seconds
    "posterior": 0.2,  # chains part where rounding turns a proposal down, and the axes follow
    "small/figure_3": 0.1,
    "why_reparameterize": 0.02,
}


def tolerances(name, key):
    """What may differ: relative, absolute. The first pattern that fits is taken."""
    known = MAY_DIFFER.get(name, {})
    return next((known[pattern] for pattern in known if fnmatch(key, pattern)), (TOLERANCE, 0))
