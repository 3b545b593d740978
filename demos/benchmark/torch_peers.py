"""PyTorch's peers of benchmark.py: the same model, images and optimizer."""

from demos.benchmark.our_peers import LATENT, LEARNING_RATE, PIXELS


def torch_eager(images, batch, width, device, fused=False, compiled=False):
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
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE, fused=fused)
    x_all = torch.tensor(images, device=where, dtype=torch.float32) / 255

    def epoch():
        total = torch.zeros((), device=where)
        for rows in torch.randperm(len(x_all), device=where).split(batch):
            optimizer.zero_grad()
            loss = loss_of(x_all[rows])
            loss.backward()
            optimizer.step()
            total += loss.detach()
        total.item()

    return torch.__version__, epoch


def torch_fused(*arguments):
    return torch_eager(*arguments, fused=True)


def torch_compiled(*arguments):
    return torch_eager(*arguments, fused=True, compiled=True)
