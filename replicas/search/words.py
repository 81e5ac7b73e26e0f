"""What counts as a word: the same folding for what is indexed and for what is asked, so that "zurich" finds "Zürich".

A word is a run of letters and digits, folded: no case, no accents, no ligatures. In scripts written without spaces
(Chinese, Japanese) every character is a word, so that the middle of a name can be found. It never raises, whatever the
text.
"""

import re
import unicodedata

import tantivy

WORD_BYTES_MAX = 255  # longer words are not indexed, and so found by nothing
WORD_TOKENIZER = "words"
WHOLE_TOKENIZER = "whole"

_SPACELESS = re.compile(r"([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])")


def fold(text: str) -> str:
    """Text without accents and with its spaceless scripts spaced out. Case and ligatures are the analyzers' part."""
    if text.isascii():
        return text
    valid = text.encode("utf-8", "replace").decode()  # a lone surrogate would not cross into the index
    decomposed = unicodedata.normalize("NFKD", valid).casefold()
    bare = "".join(character for character in decomposed if not unicodedata.combining(character))
    return _SPACELESS.sub(r" \1 ", unicodedata.normalize("NFC", bare))


def words_of(text: str) -> list[str]:
    """The words of a text in order, as the index holds them."""
    return _QUERY_WORDS.analyze(fold(text))


def whole_of(text: str) -> str:
    """A whole value (a city, a category) as the index holds it; empty when there is nothing but space."""
    spaced = " ".join(fold(text).split())
    return _WHOLE.analyze(spaced)[0] if spaced else ""


def register(index: tantivy.Index) -> None:
    """Give an index the two tokenizers its schema names; their text must have been through `fold`."""
    index.register_tokenizer(WORD_TOKENIZER, _INDEX_WORDS)
    index.register_tokenizer(WHOLE_TOKENIZER, _WHOLE)


def _analyzer(tokenizer: tantivy.Tokenizer, *filters: tantivy.Filter) -> tantivy.TextAnalyzer:
    builder = tantivy.TextAnalyzerBuilder(tokenizer)
    for each in (*filters, tantivy.Filter.ascii_fold(), tantivy.Filter.lowercase()):
        builder = builder.filter(each)
    return builder.build()


_INDEX_WORDS = _analyzer(tantivy.Tokenizer.simple(), tantivy.Filter.remove_long(WORD_BYTES_MAX + 1))
_QUERY_WORDS = _analyzer(tantivy.Tokenizer.simple())
_WHOLE = _analyzer(tantivy.Tokenizer.raw())
