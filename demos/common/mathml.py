"""LaTeX to MathML, as far as the guide writes it. An unknown command is a ValueError."""

import html
import re

TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|\d+(?:\.\d+)?|\s+|.", re.S)
LETTERS = "alpha α beta β varepsilon ε mu μ phi φ pi π sigma σ theta θ nabla ∇ partial ∂ infty ∞"
SIGNS = (
    "approx ≈ cdot · ge ≥ le ≤ mid | ne ≠ odot ⊙ sim ∼ times × to → Vert ‖ | ‖ propto ∝ ldots … "
    "Longrightarrow ⟹ Longleftrightarrow ⟺"
)
LETTERS, SIGNS = (dict(zip(*[iter(text.split())] * 2, strict=True)) for text in (LETTERS, SIGNS))
LIMITS = {"sum": "∑", "prod": "∏", "int": "∫", "max": "max", "min": "min"}
FONTS = {"mathcal": {"N": "𝒩", "L": "ℒ"}, "mathbb": {"E": "𝔼", "R": "ℝ"}}
SPACES = {",": 0.17, ":": 0.22, ";": 0.28, " ": 0.28, "quad": 1, "qquad": 2}
OVER = {"tilde": "~", "hat": "^", "bar": "¯"}
BRACES = {"underbrace": ("munder", "⏟"), "overbrace": ("mover", "⏞")}
CELLS = ("right; padding: 0.3em 0", "left; padding: 0.3em 0", "right", "left; padding: 0.3em 2em")


def mathml(latex):
    """An equation, displayed."""
    made = Parser(TOKEN.findall(latex)).row()
    return f'<math display="block" class="math">{made}</math>'


def sign(text):
    return f'<mo stretchy="false">{html.escape(text)}</mo>'


class Parser:
    def __init__(self, tokens):
        self.tokens = tokens

    def peek(self):
        while self.tokens and self.tokens[0].isspace():
            self.tokens.pop(0)
        return self.tokens[0] if self.tokens else None

    def take(self):
        self.peek()
        return self.tokens.pop(0)

    def row(self, *ends):
        """Nodes up to one of the tokens that end the row, which stays."""
        made = [""]
        while self.peek() is not None and self.peek() not in ends:
            made.append(self.scripts(made.pop()) if self.peek() in "_^" else self.one())
        return "".join(made)

    def scripts(self, base):
        found = {}
        while self.peek() in ("_", "^"):
            kind = self.take()
            found[kind] = self.argument()
        under = base.startswith(("<mo movable", "<munder>", "<mover>"))
        kinds = ("munder", "mover", "munderover") if under else ("msub", "msup", "msubsup")
        kind = kinds[2 if len(found) == 2 else "^" in found]
        return f"<{kind}>{base}{found.get('_', '')}{found.get('^', '')}</{kind}>"

    def argument(self):
        """One node; of a number, as in \\frac12, its first digit."""
        if self.peek()[0].isdigit():
            digit, rest = self.tokens[0][0], self.tokens[0][1:]
            self.tokens[:1] = [rest] if rest else []
            return f"<mn>{digit}</mn>"
        return self.one()

    def words(self):
        """The plain text in the next braces, or the next token."""
        text = self.take()
        if text != "{":
            return text
        text = ""
        while (token := self.tokens.pop(0)) != "}":
            text += token
        return html.escape(text, quote=False)

    def one(self):
        token = self.take()
        if token == "{":
            made = self.row("}")
            self.take()
            return f"<mrow>{made}</mrow>"
        if token[0] == "\\":
            return self.command(token[1:])
        if token[0].isdigit():
            return f"<mn>{token}</mn>"
        return (
            f"<mi>{token}</mi>" if token.isalpha() else sign({"-": "−", "'": "′"}.get(token, token))
        )

    def command(self, name):
        if name in LETTERS:
            return f"<mi>{LETTERS[name]}</mi>"
        if name in ("log", "exp"):
            return f'<mi>{name}</mi><mspace width="0.17em"></mspace>'
        if name in SIGNS:
            return sign(SIGNS[name])
        if name in LIMITS:
            return f'<mo movablelimits="false">{LIMITS[name]}</mo>'
        if name in SPACES:
            return f'<mspace width="{SPACES[name]}em"></mspace>'
        if name in ("big", "Big", "textstyle"):
            return ""
        if name in ("frac", "tfrac"):
            style = str(name == "frac").lower()
            parts = self.argument() + self.argument()
            return f'<mstyle displaystyle="{style}"><mfrac>{parts}</mfrac></mstyle>'
        if name == "text":
            return f"<mtext>{self.words().replace(' ', chr(160))}</mtext>"
        if name in ("mathrm", "operatorname"):
            return f'<mi mathvariant="normal">{self.words()}</mi>'
        if name in FONTS:
            return f"<mi>{FONTS[name][self.words()]}</mi>"
        if name in OVER:
            return f'<mover accent="true">{self.argument()}{sign(OVER[name])}</mover>'
        if name in BRACES:
            kind, brace = BRACES[name]
            return f"<{kind}>{self.argument()}<mo>{brace}</mo></{kind}>"
        if name == "xrightarrow":
            return f"<mover><mo>→</mo>{self.argument()}</mover>"
        if name == "left":
            fence, inside, _ = self.take(), self.row("\\right"), self.take()
            return f"<mrow><mo>{fence}</mo>{inside}<mo>{self.take()}</mo></mrow>"
        if name == "begin":
            return self.table()
        raise ValueError(f"the page's equations know no \\{name}")

    def table(self):
        """The rows of {aligned}: each odd column to the right, each even one to the left."""
        self.words()
        rows, end = [[]], None
        while end != "\\end":
            rows[-1].append(self.row("&", "\\\\", "\\end"))
            end = self.take()
            if end == "\\\\":
                rows.append([])
        self.words()
        cells = (
            "".join(f'<mtd style="text-align: {CELLS[k]}">{one}</mtd>' for k, one in enumerate(row))
            for row in rows
        )
        inside = "".join(f"<mtr>{row}</mtr>" for row in cells)
        return f'<mtable displaystyle="true">{inside}</mtable>'
