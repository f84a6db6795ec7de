"""Words for the names of the invented people and accounts."""

from __future__ import annotations

from typing import Final

FIRST_NAMES: Final = (
    "Ada", "Amara", "Anders", "Beatriz", "Bruno", "Camille", "Chidi", "Dario", "Dana", "Elena", "Emeka", "Farid",
    "Freya", "Gita", "Goran", "Hana", "Hugo", "Ines", "Ivan", "Jonas", "Jun", "Kaia", "Kofi", "Lars", "Leila",
    "Mateo", "Mina", "Nadia", "Niko", "Olga", "Omar", "Paula", "Pavel", "Quinn", "Rafael", "Rosa", "Sanjay", "Sofia",
    "Tariq", "Tess", "Uma", "Viktor", "Wanda", "Xenia", "Yara", "Yusuf", "Zane", "Zoe",
)  # fmt: skip

LAST_NAMES: Final = (
    "Abara", "Almeida", "Bauer", "Bianchi", "Castillo", "Chen", "Dahl", "Dubois", "Eriksen", "Farouk", "Fischer",
    "Garcia", "Haddad", "Hoffman", "Ibrahim", "Ito", "Jansen", "Kaplan", "Kim", "Kowalski", "Larsen", "Lopez",
    "Marino", "Mehta", "Moreau", "Nakamura", "Novak", "Okafor", "Olsen", "Park", "Petrov", "Quintero", "Rossi",
    "Santos", "Schmidt", "Silva", "Tanaka", "Tran", "Ueda", "Varga", "Weber", "Wong", "Yilmaz", "Zhang",
)  # fmt: skip

# Domains reserved for documentation: mail to them never reaches anyone.
MAIL_DOMAINS: Final = ("example.com", "example.net", "example.org")

# Invented contract ids with a plausible price: index and metal futures of one quarter.
CONTRACTS: Final = ((3570918, 5012.25), (3570919, 17654.5), (3570920, 38120.0), (3570921, 2035.75), (3570922, 2088.4))

# Contract, its invented product, and the margins of both in US dollars a lot.
MARGINS: Final = (
    (3570918, 620101, 15_400.0, 14_000.0),
    (3570919, 620102, 23_100.0, 21_000.0),
    (3570920, 620103, 11_000.0, 10_000.0),
    (3570921, 620104, 7_700.0, 7_000.0),
    (3570922, 620105, 12_100.0, 11_000.0),
)
