"""Makes clip_tokenizer.json: a thousand prompts and what transformers' CLIPTokenizer makes of them.

Run once, by hand; `make setup` builds the vocabulary:

    pip install transformers==5.23.0
    python clip_tokenizer.py ~/.cache/agespan/weights/clip-tokenizer
"""

import json
import pathlib
import random
import sys

import tokenizers
import transformers

LENGTH = 77
PIECES = [
    # What is asked for most.
    "a photo of a", "solo portrait", "25 year old", "woman", "man", "Black", "asian", "INDIAN", "white",
    "face", "high quality", "smiling", "(masterpiece:1.2)", "[blurry]", "{a|b}", "--ar 16:9", "<lora:x:0.8>",
    # Contractions, upper case, cases without a simple lower case.
    "don't", "it's", "I'm", "we'LL", "they'Ve", "'s", "''", "O'Neill’s", "STRASSE", "straße", "ẞ", "İstanbul",
    "ısı", "ΣΊΣΥΦΟΣ", "ὈΔΥΣΣΕΎΣ", "ǅungla", "ﬁne ﬂow", "Ⅷ", "ÅNGSTRÖM", "Å", "Ａｂｃ１２３",
    # Combining marks, composed and not.
    "café", "cafe\u0301", "n\u0303", "a\u0323\u0307", "a\u0307\u0323", "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢", "ệ", "한국어", "\u1112\u1161\u11ab", "ﷺ",
    # Scripts.
    "русский", "Ёлка", "ελληνικά", "עברית שָׁלוֹם", "العَرَبِيَّة", "हिन्दी", "ไทย", "日本語テキスト", "中文字符",
    "ქართული", "አማርኛ", "𐐀𐐨", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "ᏣᎳᎩ", "Ǆ", "ﬃ",
    # Digits and numbers.
    "1234567890", "٣٤٥", "१२३", "½", "x²", "10^9", "3.14", "1,000", "12:30", "０１２", "Ⅳ", "①", "𝟘𝟙",
    # Signs, emoji, joiners, flags.
    "!!!", "...", "…", "#@$%", "—", "‘quoted’", "“double”", "¿qué?", "½cup", "€5", "™®©", "😀", "👩‍👩‍👧‍👦",
    "👍🏽", "🇩🇪", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "❤️", "♂", "\u200b", "\u200d", "\u00ad", "\ufeff", "\u202eabc", "a\u2060b", "\ufffd",
    # White space and controls.
    "\t", "\n", "\r\n", "\u00a0", "\u3000", "\u2003", "\u0085", "\x1c", "\x00", "\x07", "\x1b[0m", "   ",
    # The tokenizer's own words.
    "<|startoftext|>", "<|endoftext|>", "<|ENDOFTEXT|>", "<|endoftext", "</w>", "a</w>", "Ġ", "Ċ", "<|", "|>",
]
WIDE = [(0x20, 0x7F), (0xA0, 0x250), (0x250, 0x600), (0x600, 0x1000), (0x1E00, 0x2000), (0x2000, 0x2C00),
        (0x3000, 0x3400), (0xA000, 0xA100), (0xFB00, 0xFFFE), (0x10000, 0x10400), (0x1D400, 0x1D800),
        (0x1F300, 0x1FA00)]


def letters(draw):
    def letter():
        low, high = draw.choice(WIDE)
        return chr(draw.randrange(low, high))

    return "".join(letter() for _ in range(draw.randrange(1, 6)))


def prompts():
    draw = random.Random(5)
    yield from ["", " ", *PIECES]
    while True:
        count = draw.choice([2, 3, 4, 5, 6, 7, 40])
        parts = [draw.choice(PIECES) if draw.random() < 0.8 else letters(draw) for _ in range(count)]
        yield draw.choice(["", " ", " ", ", "]).join(parts)


def digest(ids):
    """FNV-1a over the numbers as 32 bits each."""
    value = 0x811C9DC5
    for number in ids:
        for byte in number.to_bytes(4, "little"):
            value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def main(folder):
    # As a pipeline's directory is read: from its vocabulary and merges.
    tokenizer = transformers.CLIPTokenizer.from_pretrained(folder, model_max_length=LENGTH)
    rows, asked = [], prompts()
    while len(rows) < 1000:
        prompt = next(asked)
        if len(prompt) > 400:
            continue
        ids = tokenizer(prompt, padding="max_length", max_length=LENGTH, truncation=True).input_ids
        whole = tokenizer(prompt).input_ids
        rows.append([prompt, max(0, len(whole) - LENGTH), digest(ids)])
    example = tokenizer("a photo of a cat", padding="max_length", max_length=10).input_ids
    golden = {
        "transformers": transformers.__version__,
        "tokenizers": tokenizers.__version__,
        "example": example,
        "truncated": sum(row[1] > 0 for row in rows),
        "prompts": rows,
    }
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
