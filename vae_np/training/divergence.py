"""What is said when training leaves the finite numbers."""


class DivergenceError(ValueError):
    """Training met an ELBO, a weight or another number that is not finite."""


def diverged(what, where, optimizer):
    """The error to raise: ``what`` is not finite, and ``where``."""
    return DivergenceError(
        f"{what} is not finite {where}: training diverged; a learning rate below "
        f"{optimizer.learning_rate:g} may help"
    )
