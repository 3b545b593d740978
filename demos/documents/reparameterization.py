"""The drawing of the gradient's way: it ends where z is drawn, and goes on where z is computed."""

from demos.documents.svg import arrow, box, formula, network, path, picture, text

WORDS = {
    "en": {
        "title": "The gradient's way, without ε and with it",
        "encoder": "encoder",
        "decoder": "decoder",
        "drawn": "z is drawn: no derivative",
        "computed": "z is computed; only ε is drawn",
        "gradient": "gradient",
    },
    "zh-CN": {
        "title": "梯度的路：没有 ε 与有 ε",
        "encoder": "编码器",
        "decoder": "解码器",
        "drawn": "z 是采样得到的：没有导数",
        "computed": "z 是算出来的，采样的只有 ε",
        "gradient": "梯度",
    },
}


def reparameterization(colours, language="en"):
    """The way forward, and the gradient's way back: it ends at a draw, and goes on past ε."""
    words, parts = WORDS[language], []
    for y, with_noise in ((115, False), (345, True)):
        drawn = 'stroke="{text}" stroke-width="2" stroke-dasharray="4 3"'
        plain = 'stroke="{text}" stroke-width="2"'
        parts += [
            formula(40, y + 6, "x", size=21),
            arrow((58, y), (108, y)),
            network((112, 55), (220, 32), y, words["encoder"], "φ", "phi"),
            arrow((224, y), (272, y)),
            box(276, y - 22, 74, 44, "phi"),
            formula(313, y + 6, "μ, σ", colour="phi"),
            arrow((354, y), (426, y)),
            f'<circle cx="460" cy="{y}" r="30" fill="none" {plain if with_noise else drawn}/>',
            formula(460, y + 7, "z", size=22),
            arrow((494, y), (566, y)),
            network((570, 32), (678, 55), y, words["decoder"], "θ", "theta"),
            arrow((682, y), (752, y)),
            formula(830, y + 6, "log p_θ(x|z)", size=20),
            # the way back
            back(752, 682, y + 22),
            back(566, 492, y + 22),
            text(717, y + 50, words["gradient"], "back", 14),
        ]
        if with_noise:
            parts += [
                text(460, y - 62, words["computed"], "text", 16),
                formula(460, y - 40, "z = μ + σ ⊙ ε", size=18),
                f'<circle cx="460" cy="{y + 100}" r="24" fill="none" {drawn}/>',
                formula(460, y + 106, "ε", size=20),
                formula(500, y + 106, "~ N(0, I)", colour="faint", size=17, anchor="start"),
                arrow((460, y + 74), (460, y + 34)),
                back(428, 354, y + 22),
                back(272, 224, y + 22),
            ]
        else:
            parts += [
                text(460, y - 62, words["drawn"], "text", 16),
                formula(460, y - 40, "z ~ N(μ, σ²)", size=18),
                path([(400, y + 12), (420, y + 32)], "back", width=3),
                path([(400, y + 32), (420, y + 12)], "back", width=3),
            ]
    return picture(words["title"], parts, colours, 1000, 490)


def back(start, end, y):
    return arrow((start, y), (end, y), "back")
