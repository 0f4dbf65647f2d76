"""Nano's tokenizer: whole words of a closed vocabulary."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

__all__ = ["SPECIAL", "word_tokenizer"]

SPECIAL = ("<pad>", "<eos>", "<bos>", "<unk>", "<image>", "<boi>", "<eoi>")
"""Their ids are their places here."""

PUNCTUATION = tuple("\"'.,;:!?()-@")


def word_tokenizer(words: Iterable[str], max_tokens: int) -> PreTrainedTokenizerFast:
    """One token a word, lower-cased; each punctuation mark, quotes among them, is a token; the rest is ``<unk>``.

    Padding goes to the left, as with Gemma. ``<bos>`` leads, so that even an empty prompt has a token to attend to.
    An apostrophe within a word stays in it.
    """
    vocabulary = dict.fromkeys((*SPECIAL, *PUNCTUATION, *sorted({word.lower() for word in words})))
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(vocabulary)}, SPECIAL[3]))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Replace(Regex("[\u201c\u201d\u00ab\u00bb]"), '"'),
            normalizers.Replace(Regex("[\u2018\u2019]"), "'"),
            normalizers.Lowercase(),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"\w+(?:'\w+)*|[^\w\s]"), behavior="removed", invert=True)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", pair="<bos> $A $B", special_tokens=[("<bos>", SPECIAL.index("<bos>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=max_tokens,
        padding_side="left",
        **{f"{role}_token": f"<{role}>" for role in ("pad", "eos", "bos", "unk")},
    )
