"""What a person never wants to appear in, held against a prompt before anything is drawn.

A rule is a topic of ``TOPICS`` or the person's own words ("my brother's bar"). The prompt breaks it when the topic's
words, or theirs, occur in it: whole words in their usual English forms, in the description and in what is said. This is
a list of words, no understanding: who means harm can write around it. It stops what is asked for plainly, and the
person sees every scene made of them (``cameo uses``).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from cameo.errors import UsageError

__all__ = ["TOPICS", "broken", "rule"]

_LONGEST: Final = 80

TOPICS: Final[dict[str, frozenset[str]]] = {
    name: frozenset(words.split(","))
    for name, words in {
        "advertising": "ad,advert,advertise,advertisement,advertising,brand,commercial,discount,endorse,endorsement,"
        "infomercial,logo,marketing,product placement,promo,promote,promotion,sale,slogan,sponsor",
        "alcohol": "alcohol,alcoholic,ale,bar,beer,bourbon,brandy,champagne,cider,cocktail,drunk,gin,hangover,liquor,"
        "mead,pub,rum,sake,sherry,tequila,tipsy,vermouth,vodka,whiskey,whisky,wine",
        "drugs": "cannabis,cocaine,crack pipe,drug,dealer,ecstasy,heroin,joint,ketamine,lsd,marijuana,meth,opium,"
        "stoned,weed",
        "gambling": "bet,betting,bookmaker,casino,gamble,gambling,jackpot,lottery,poker,roulette,slot machine",
        "nudity": "bare breast,lingerie,naked,nude,nudity,porn,pornography,sex,sexual,sexy,striptease,topless,undress,"
        "undressed,underwear",
        "politics": "ballot,campaign rally,candidate,congress,democrat,election,elect,government,minister,parliament,"
        "party leader,political,politician,politics,president,protest,referendum,republican,senator,vote,voter",
        "religion": "altar,bible,buddhist,christian,church,hindu,imam,jewish,koran,mosque,muslim,pray,prayer,preach,"
        "priest,quran,rabbi,religion,religious,sermon,synagogue,temple,worship",
        "tobacco": "ashtray,cigar,cigarette,e-cigarette,hookah,nicotine,smoke,smoker,smoking,tobacco,vape,vaping",
        "violence": "assault,attack,beat up,behead,bleed,blood,bloody,corpse,fight,gore,kill,killer,murder,murderer,"
        "shoot,stab,strangle,torture,violence,violent,war",
        "weapons": "ammunition,assault rifle,blade,bomb,bullet,dagger,explosive,firearm,grenade,gun,handgun,knife,"
        "machete,missile,pistol,revolver,rifle,shotgun,sword,weapon",
    }.items()
}
"""Each with the words that stand for it."""

_WORDS = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


def rule(words: str) -> str:
    """A rule as it is kept: small letters, single blanks, without "no", "never" or "never in" before it.

    Raises:
        UsageError: no word is left, or more than 80 characters.
    """
    plain = " ".join(_tokens(words))
    plain = re.sub(r"^(?:(?:no|never|not|nothing|in|with|any)\b ?)+", "", plain)
    if not plain or len(plain) > _LONGEST:
        raise UsageError(
            f"a rule is one to {_LONGEST} characters of words",
            hint=f"such as one of: {', '.join(TOPICS)}; or words of your own",
        )
    return plain


def broken(rules: Iterable[str], prompt: str) -> tuple[str, ...]:
    """Those of the rules that a prompt breaks."""
    # Blanks around, so that whole words are found: "gin" is not in "ginger".
    text = f" {' '.join(_tokens(prompt))} "
    return tuple(one for one in rules if any(_occurs(term, text) for term in TOPICS.get(one, {one})))


def _occurs(term: str, text: str) -> bool:
    *before, last = _tokens(term)
    return any(f" {' '.join([*before, form])} " in text for form in _forms(last))


def _forms(word: str) -> set[str]:
    """How an English word may end."""
    forms = {word, f"{word}s", f"{word}es", f"{word}ed", f"{word}ing", f"{word}'s", f"{word}er", f"{word}ers"}
    if word.endswith("e"):
        forms |= {f"{word}d", f"{word[:-1]}ing", f"{word}r", f"{word}rs"}
    elif word.endswith("y"):
        forms |= {f"{word[:-1]}ies", f"{word[:-1]}ied"}
    if re.search(r"[^aeiou][aeiou][bdglmnprt]$", word):
        forms |= {f"{word}{word[-1]}ed", f"{word}{word[-1]}ing"}
    if word.endswith("fe"):
        forms.add(f"{word[:-2]}ves")
    return forms


def _tokens(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    return _WORDS.findall(plain)
