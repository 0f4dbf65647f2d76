"""Words to phonemes: a small lexicon first, simple English letter-to-sound rules for the rest."""

from __future__ import annotations

import re
import unicodedata

from cameo.errors import PromptInvalid

__all__ = ["LEXICON", "UnknownWord", "pronounce"]


class UnknownWord(PromptInvalid):
    """A word without a single Latin letter or digit cannot be spoken."""


_WORDS = """
zero Z IY1 R OW0|one W AH1 N|two T UW1|three TH R IY1|four F AO1 R|five F AY1 V|six S IH1 K S|seven S EH1 V AX0 N
eight EY1 T|nine N AY1 N|ten T EH1 N|oh OW1
hello HH AX0 L OW1|hi HH AY1|hey HH EY1|goodbye G UH0 D B AY1|bye B AY1|welcome W EH1 L K AX0 M|thanks TH AE1 NG K S
thank TH AE1 NG K|yes Y EH1 S|no N OW1|okay OW0 K EY1|please P L IY1 Z|sorry S AA1 R IY0|great G R EY1 T
the DH AX0|a AX0|an AE0 N|and AE0 N D|of AX0 V|to T UW0|in IH0 N|on AA1 N|at AE0 T|by B AY0|for F AO0 R|with W IH0 DH
from F R AH0 M|but B AH0 T|or AO0 R|so S OW1|not N AA1 T|up AH1 P|down D AW1 N|out AW1 T|all AO1 L|now N AW1
i AY1|me M IY1|my M AY1|mine M AY1 N|you Y UW1|your Y AO1 R|he HH IY1|she SH IY1|it IH0 T|we W IY1|they DH EY1
am AE0 M|is IH0 Z|are AA0 R|was W AH0 Z|be B IY1|have HH AE1 V|has HH AE1 Z|do D UW1|can K AE0 N|will W IH0 L
i'm AY1 M|it's IH0 T S|let's L EH1 T S|don't D OW1 N T|that's DH AE1 T S|that DH AE1 T|this DH IH0 S
what W AH1 T|where W EH1 R|when W EH1 N|who HH UW1|how HH AW1|why W AY1
name N EY1 M|sea S IY1|sun S AH1 N|rain R EY1 N|snow S N OW1|wind W IH1 N D|sky S K AY1|moon M UW1 N|star S T AA1 R
water W AO1 T ER0|beach B IY1 CH|forest F AO1 R AX0 S T|street S T R IY1 T|city S IH1 T IY0|world W ER1 L D
love L AH1 V|like L AY1 K|good G UH1 D|morning M AO1 R N IH0 NG|night N AY1 T|evening IY1 V N IH0 NG|day D EY1
here HH IH1 R|there DH EH1 R|today T AX0 D EY1|tomorrow T AX0 M AA1 R OW0|look L UH1 K|see S IY1|come K AH1 M
go G OW1|run R AH1 N|walk W AO1 K|play P L EY1|jump JH AH1 M P|say S EY1|think TH IH1 NG K|know N OW1
happy HH AE1 P IY0|time T AY1 M|home HH OW1 M|friend F R EH1 N D|friends F R EH1 N D Z|music M Y UW1 Z IH0 K
dance D AE1 N S|ball B AO1 L|game G EY1 M|new N UW1|old OW1 L D|big B IH1 G|little L IH1 T AX0 L|red R EH1 D
green G R IY1 N|blue B L UW1|again AX0 G EH1 N|always AO1 L W EY0 Z|beautiful B Y UW1 T IH0 F AX0 L|cold K OW1 L D
warm W AO1 R M|fine F AY1 N|voice V OY1 S|people P IY1 P AX0 L|very V EH1 R IY0|let L EH1 T|us AH1 S|our AW1 R
"""

LEXICON: dict[str, tuple[str, ...]] = {
    entry.split()[0]: tuple(entry.split()[1:]) for entry in re.split(r"[|\n]", _WORDS) if entry.strip()
}
"""Pronunciations: ARPAbet, vowels carrying their stress (1) or the lack of it (0)."""

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

# Tried in order at each position; the first whose letters stand there wins. "$" is the end of the word.
_RULES = [
    (re.compile(pattern), tuple(sounds.split()))
    for pattern, sounds in (
        (r"tion", "SH AX0 N"), (r"sion", "ZH AX0 N"), (r"ough", "OW1"), (r"augh", "AO1"), (r"eigh", "EY1"),
        (r"igh", "AY1"), (r"tch", "CH"), (r"dge", "JH"), (r"sch", "S K"), (r"ear", "IH1 R"), (r"air", "EH1 R"),
        (r"our", "AW1 R"), (r"oor", "AO1 R"), (r"ing$", "IH0 NG"), (r"ed$", "D"), (r"le$", "AX0 L"),
        (r"ch", "CH"), (r"sh", "SH"), (r"th", "TH"), (r"ph", "F"), (r"wh", "W"), (r"wr", "R"), (r"kn(?=.)", "N"),
        (r"gh", "G"), (r"ck", "K"), (r"ng", "NG"), (r"nk", "NG K"), (r"qu", "K W"), (r"ar", "AA1 R"), (r"or", "AO1 R"),
        (r"er", "ER1"), (r"ir", "ER1"), (r"ur", "ER1"), (r"ee", "IY1"), (r"ea", "IY1"), (r"oo", "UW1"), (r"ou", "AW1"),
        (r"ow$", "OW1"), (r"ow", "AW1"), (r"oi|oy", "OY1"), (r"ai|ay|ei|ey", "EY1"), (r"au|aw", "AO1"),
        (r"oa|oe", "OW1"), (r"ie", "IY1"), (r"ue|ui|ew|eu", "UW1"),
        # A vowel, one consonant, a silent e: the vowel says its name.
        (r"a(?=[^aeiouwyx]e$)", "EY1"), (r"e(?=[^aeiouwyx]e$)", "IY1"), (r"i(?=[^aeiouwyx]e$)", "AY1"),
        (r"o(?=[^aeiouwyx]e$)", "OW1"), (r"u(?=[^aeiouwyx]e$)", "UW1"), (r"(?<=[^aeiou])e$", ""), (r"es$", "Z"),
        (r"bb|b", "B"), (r"c(?=[eiy])", "S"), (r"cc|c", "K"), (r"dd|d", "D"), (r"ff|f", "F"), (r"g(?=[eiy])", "JH"),
        (r"gg|g", "G"), (r"h", "HH"), (r"j", "JH"), (r"kk|k", "K"), (r"ll|l", "L"), (r"mm|m", "M"), (r"nn|n", "N"),
        (r"pp|p", "P"), (r"q", "K"), (r"rr|r", "R"), (r"ss", "S"), (r"(?<=[aeioubdglmnrvw])s$", "Z"), (r"s", "S"),
        (r"tt|t", "T"), (r"v", "V"), (r"w", "W"), (r"x", "K S"), (r"^y", "Y"), (r"(?<=.)y$", "IY0"), (r"y", "IH1"),
        (r"zz|z", "Z"), (r"(?<=.)a$", "AX0"), (r"a", "AE1"), (r"(?<=.)e$", "IY1"), (r"e", "EH1"), (r"i$", "IY1"),
        (r"i", "IH1"), (r"o$", "OW1"), (r"o", "AA1"), (r"u$", "UW1"), (r"u", "AH1"), (r"'", ""),
    )
]  # fmt: skip


def pronounce(word: str) -> tuple[str, ...]:
    """The sounds of a word; digits are read one by one, accents are dropped, punctuation is ignored.

    Returns:
        ARPAbet symbols, vowels with their stress as a last digit.

    Raises:
        UnknownWord: nothing in the word can be read (another script, punctuation only).
    """
    decomposed = unicodedata.normalize("NFKD", word.replace("’", "'")).casefold()
    plain = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    pieces = re.findall(r"[a-z]+(?:'[a-z]+)*|[0-9]", plain)
    if not pieces:
        raise UnknownWord("a word of the spoken line has no letter or digit that can be read", hint="use Latin letters")
    sounds: list[str] = []
    for piece in pieces:
        if piece.isdigit():
            sounds.extend(LEXICON[_DIGITS[int(piece)]])
        else:
            sounds.extend(LEXICON.get(piece) or _by_rule(piece))
    return tuple(sounds)


def _by_rule(letters: str) -> tuple[str, ...]:
    sounds: list[str] = []
    position = 0
    while position < len(letters):
        for pattern, spoken in _RULES:
            if match := pattern.match(letters, position):
                sounds.extend(spoken)
                position = max(match.end(), position + 1)
                break
        else:
            position += 1
    return _one_stress(sounds) or ("AX0",)


def _one_stress(sounds: list[str]) -> tuple[str, ...]:
    """English mostly stresses the first full vowel; the others of the word lose theirs."""
    stressed = False
    result = []
    for sound in sounds:
        if sound.endswith("1"):
            sound, stressed = (sound[:-1] + "0", stressed) if stressed else (sound, True)
        result.append(sound)
    return tuple(result)
