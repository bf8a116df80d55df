"""Texts on which two implementations of a tokenizer are likely to disagree."""

from __future__ import annotations

from typing import Any, List

AWKWARD = (
    "",
    " ",
    "\n",
    "\n\n \n",
    "\t\t x \r\n\r y\x0b\x0c\x85z\u2028\u2029",
    "  a  b   ",
    "The quick brown fox, it's DON'T we'LL I'd — “quoted” 3.14 1,234,567 12345678 x_y-z.",
    "def f(x):\n    return x ** 2  # \\n\n\n\n\tprint(f'{x!r}')\n",
    "我们在训练一个大语言模型。价格是１２３４元，「引号」、《书名》……",
    "日本語のテキスト カタカナ 한국어 문장 가각",
    "Привет, мир! Ελληνικά עברית العَرَبِيَّة हिन्दी ไทย",
    "é e\u0301 Å A\u030a ﬁ ｆｕｌｌ ² ½ \u212a ẛ̣ q\u0307\u0323",
    "\u0301\u0301 \u200d\u200b\ufeff\u00ad\u00a0\u3000\u202e",
    "👩‍👩‍👧 👍🏽 🇨🇳🇫🇷 ☃️ 😀😀😀",
    "\x00\x01\x07\x1b[0m\x7f\x80\x9f",
    "\ufffd\ufffe\uffff\ue000\U0010ffff\U000e0001",
    "▁ ▁▁a ▁",
    "Ġ Ċ ĠĠ <0x0A> <0xE4>",
    "<s> </s> <unk> <|endoftext|> <|im_start|> [CLS] <pad>",
    "### Instruction:\nx\n\n### Response:\n",
    "q" * 1500,
    "ab" * 700 + "\n",
    "中" * 900,
    " " * 300,
    "\n" * 300,
    "=" * 257 + "-" * 257 + "." * 65,
    "0123456789" * 40,
    "https://example.org/a/b?c=d&e=%20f#g a@b.example",
)

_SAMPLE, _GROUP = 2000, 50


def around_token(token: str) -> List[str]:
    """An added token's text in several surroundings, and almost itself."""
    return [
        token,
        f"a{token}b",
        f"x {token} y\n{token}\n",
        f"{token}{token} ",
        f" {token}",
        f"中{token}。",
        token[:-1] + " " + token[-1:],
        token[:-1],
        token.upper() + token.lower(),
    ]


def from_vocabulary(tokenizer: Any, vocabulary: int) -> List[str]:
    """Texts made of entries taken evenly from the whole vocabulary: words that need most of its merges."""
    step = max(1, vocabulary // _SAMPLE)
    words = [tokenizer.decode([number], skip_special_tokens=True) for number in range(0, vocabulary, step)]
    return ["".join(words[at : at + _GROUP]) for at in range(0, len(words), _GROUP)] + [
        " ".join(words[at : at + _GROUP]) for at in range(0, len(words), _GROUP)
    ]
