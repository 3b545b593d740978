"""PyTorch's peers of benchmark.py: the same model, images and optimizer."""

from demos.benchmark.our_peers import LATENT, LEARNING_RATE, PIXELS


def torch_eager(images, batch, width, device, fused=False, compiled=False, recorded=False):
    import torch
    from torch import nn
    from torch.nn.functional import binary_cross_entropy_with_logits

    where = torch.device("cuda" if device == "gpu" else "cpu")

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden_x, self.hidden_z = nn.Linear(PIXELS, width), nn.Linear(LATENT, width)
            self.mean, self.log_var = nn.Linear(width, LATENT), nn.Linear(width, LATENT)
            self.logits = nn.Linear(width, PIXELS)

        def forward(self, x):
            h = torch.tanh(self.hidden_x(x))
            mean, log_var = self.mean(h), self.log_var(h)
            z = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
            logits = self.logits(torch.tanh(self.hidden_z(z)))
            cross_entropy = binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
            kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(1)
            return (cross_entropy + kl).mean()

    model = Model().to(where)
    loss_of = torch.compile(model) if compiled else model
    options = {"fused": fused, "capturable": recorded}
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE, **options)
    total = torch.zeros((), device=where)
    x_all = torch.tensor(images, device=where, dtype=torch.float32) / 255

    def step(x):
        optimizer.zero_grad()
        loss = loss_of(x)
        loss.backward()
        optimizer.step()
        total.add_(loss.detach())

    if recorded:
        step = replay(torch, step, x_all[:batch].clone())

    def epoch():
        total.zero_()
        for rows in torch.randperm(len(x_all), device=where).split(batch):
            step(x_all[rows])
        total.item()

    return torch.__version__, epoch


def torch_fused(*arguments):
    return torch_eager(*arguments, fused=True)


def torch_compiled(*arguments):
    return torch_eager(*arguments, fused=True, compiled=True)


def torch_recorded(*arguments):
    """The whole step as a CUDA graph, by hand: PyTorch's fastest."""
    return torch_eager(*arguments, fused=True, recorded=True)


def replay(torch, step, x):
    """What copies a minibatch of x's size to where a graph of the step finds it, and replays it."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):  # as PyTorch asks for
            step(x)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step(x)

    def replayed(minibatch):
        x.copy_(minibatch)
        graph.replay()

    return replayed
