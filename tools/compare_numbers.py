#!/usr/bin/env python3
"""Telephone numbers as people type them, and what an independent implementation (PyPI `phonenumbers`) reads.

    python3 -m venv /tmp/numbers && /tmp/numbers/bin/pip install phonenumbers==9.0.33
    /tmp/numbers/bin/python tools/compare_numbers.py 120000 >/tmp/numbers.tsv
    COMPARED_NUMBERS=/tmp/numbers.tsv cargo test --workspace --test it -- --nocapture numbers::

The version is that of the metadata in our own library (Cargo.lock, after the +). Lines are: what is typed, the region or -,
the number in E.164 or -. The same count and seed give the same lines. `protocol/tests/it/numbers.tsv` is
`compare_numbers.py 4000 2`.
"""

import random
import sys

import phonenumbers
from phonenumbers import PhoneNumberFormat as Format, PhoneNumberType as Type

TYPES = [Type.FIXED_LINE, Type.MOBILE, Type.TOLL_FREE, Type.PREMIUM_RATE, Type.SHARED_COST, Type.VOIP, Type.PERSONAL_NUMBER,
         Type.PAGER, Type.UAN, Type.VOICEMAIL]
FORMATS = [Format.E164, Format.INTERNATIONAL, Format.NATIONAL]
SCRIPTS = ["０", "٠", "०", "๐"]


def verdict(text, region):
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return "-"
    return phonenumbers.format_number(number, Format.E164) if phonenumbers.is_valid_number(number) else "-"


def examples():
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in TYPES:
            number = phonenumbers.example_number_for_type(region, kind)
            if number is not None:
                yield region, number


def changed(rng, text):
    """The last few digits are others; sometimes one more or less."""
    places = [at for at, c in enumerate(text) if c.isdigit()]
    text = list(text)
    for at in places[-rng.randint(0, 6):]:
        text[at] = rng.choice("0123456789")
    if places and rng.random() < 0.08:
        del text[rng.choice(places)]
    if places and rng.random() < 0.08:
        text.insert(rng.choice(places), rng.choice("0123456789"))
    return "".join(text)


def decorated(rng, text):
    kind = rng.randrange(16)
    if kind == 0:
        return text.replace(" ", rng.choice(["-", ".", "", "  ", "\u00a0"]))
    if kind == 1:
        return text.replace("-", rng.choice([" ", ".", "\u2011", "\u2013"]))
    if kind == 2:
        return "00" + text[1:] if text.startswith("+") else "0" + text
    if kind == 3:
        return "011" + text[1:] if text.startswith("+") else text
    if kind == 4:
        zero = rng.choice(SCRIPTS)
        return "".join(chr(ord(zero) + int(c)) if c in "0123456789" else c for c in text)
    if kind == 5:
        return " " + text + " "
    if kind == 6:
        return text + rng.choice([" x12", " ext. 7", ";ext=3", " #4"])
    if kind == 7:
        return rng.choice(["tel:", "Tel. ", "call ", "~"]) + text
    if kind == 8:
        return text.replace("+", "\uff0b")
    if kind == 9:
        return "(" + text[:4] + ")" + text[4:]
    if kind == 10:
        return text[:-4] + "".join(rng.choice("ABCDEFGH") for _ in range(4))
    return text


def inputs(count, seed):
    rng = random.Random(seed)
    known = list(examples())
    regions = sorted(phonenumbers.SUPPORTED_REGIONS)
    for _ in range(count):
        region, number = rng.choice(known)
        kind = rng.randrange(10)
        if kind < 7:
            style = rng.choice(FORMATS)
            text = decorated(rng, changed(rng, phonenumbers.format_number(number, style)))
            given = region if style == Format.NATIONAL or rng.random() < 0.5 else None
        elif kind < 8:
            text = "+" + "".join(rng.choice("0123456789") for _ in range(rng.randint(3, 17)))
            given = rng.choice([None, rng.choice(regions)])
        elif kind < 9:
            text = "".join(rng.choice("0123456789") for _ in range(rng.randint(3, 15)))
            given = rng.choice(regions)
        else:
            text = decorated(rng, phonenumbers.format_number(number, Format.INTERNATIONAL))
            given = rng.choice(regions)
        if not any(c in text for c in "\t\r\n"):
            yield text, given


def main():
    count = int(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    for text, region in inputs(count, seed):
        print(text, region or "-", verdict(text, region), sep="\t")


main()
