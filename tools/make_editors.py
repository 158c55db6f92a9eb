"""Editor grammars, generated from the language's words: ``make_editors.py --write``.

Without ``--write``, lists outdated files and returns 1 if there are any. The files are generated from
``pfnlab.programs.lang.tokens``: a TextMate grammar (VS Code and others), a Vim syntax file, and the table
itself as JSON, for highlighters that accept one.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from pfnlab.programs.lang.tokens import KINDS_OF_TOKEN, TokenKind, TokenRule, contexts, token_table

ROOT = Path(__file__).parents[1]

#: The TextMate scope of each token; themes know these names.
SCOPES: dict[TokenKind, str] = {
    "keyword": "keyword.control",
    "operation": "support.function",
    "task": "entity.name.type",
    "name": "variable.other",
    "builtin": "variable.language",
    "function": "entity.name.function",
    "mode": "constant.language",
    "option": "storage.modifier",
    "number": "constant.numeric",
    "unit": "keyword.other",
    "text": "string.unquoted",
    "mark": "punctuation.separator",
    "comment": "comment.line.number-sign",
    "error": "invalid.illegal",
}

#: The highlight group of each token that Vim's colour schemes know.
GROUPS: dict[TokenKind, str] = {
    "keyword": "Statement",
    "operation": "Function",
    "task": "Label",
    "name": "Identifier",
    "builtin": "Special",
    "function": "PreProc",
    "mode": "Constant",
    "option": "StorageClass",
    "number": "Number",
    "unit": "Type",
    "text": "String",
    "mark": "Delimiter",
    "comment": "Comment",
    "error": "Error",
}


def files() -> dict[Path, str]:
    """Return every generated file with its content."""
    grammar = _json(textmate())
    return {
        ROOT / "src" / "pfnlab" / "programs" / "lang" / "tokens.json": _json(token_table()),
        ROOT / "editors" / "pfnlab.tmLanguage.json": grammar,
        # An extension cannot read files outside its folder.
        ROOT / "editors" / "vscode" / "pfnlab.tmLanguage.json": grammar,
        ROOT / "editors" / "vim" / "syntax" / "pfnlab.vim": vim(),
    }


def scope_of(token: TokenKind) -> str:
    """Return the TextMate scope of *token*; the last name but one is the token's own."""
    return f"{SCOPES[token]}.{token}.pfnlab"


def textmate() -> dict[str, Any]:
    """The TextMate grammar.

    A context that follows is a region up to the end of the line, inside the previous one.
    """
    return {
        "comment": "Made by tools/make_editors.py: change src/pfnlab/programs/lang/tokens.py.",
        "name": "pfnlab program",
        "scopeName": "source.pfnlab",
        "fileTypes": ["pfn"],
        "patterns": [{"include": "#line"}],
        "repository": {
            context: {"patterns": [_textmate_rule(rule) for rule in rules]}
            for context, rules in contexts().items()
        },
    }


def _textmate_rule(rule: TokenRule) -> dict[str, Any]:
    scope = scope_of(rule.token)
    if not rule.context:
        return {"name": scope, "match": rule.regex}
    return {
        "begin": rule.regex,
        "beginCaptures": {"0": {"name": scope}},
        "end": "$",
        "patterns": [{"include": f"#{rule.context}"}],
    }


def vim() -> str:
    """The syntax file for Vim.

    Each rule is a group that names the groups that may follow it, i.e. those of its context. If several
    groups match in the same place, Vim uses the last one, so they are in reverse order.
    """
    lines = [
        '" Vim syntax file: pfnlab programs',
        '" Made by tools/make_editors.py: change src/pfnlab/programs/lang/tokens.py.',
        "",
        'if exists("b:current_syntax")',
        "  finish",
        "endif",
        "",
        "syntax case match",
        r'syntax match pfnlabLine "^" nextgroup=@pfnlabInLine skipwhite',
    ]
    for context, rules in contexts().items():
        names = [f"pfnlab{rule.token.title()}_{context}{number}" for number, rule in enumerate(rules)]
        lines += ["", f"syntax cluster pfnlabIn{context.title()} contains={','.join(names)}"]
        for name, rule in reversed(list(zip(names, rules, strict=True))):
            following = (rule.context or context).title()
            lines.append(
                f'syntax match {name} "{vim_pattern(rule.regex)}" contained '
                f"nextgroup=@pfnlabIn{following} skipwhite"
            )
            lines.append(f"highlight default link {name} pfnlab{rule.token.title()}")
    lines.append("")
    for token in KINDS_OF_TOKEN:
        lines.append(f"highlight default link pfnlab{token.title()} {GROUPS[token]}")
    lines += ["", "syntax sync minlines=1", 'let b:current_syntax = "pfnlab"']
    return "".join(f"{line}\n" for line in lines)


#: The parts of a pattern: a set, an escaped letter, a group, the end of a group, and anything else.
_PART = re.compile(r"\[(?:\\.|[^\]\\])*\]|\\.|\(\?:|\(\?=|\(\?!|\)|.")
_OPENS = {"(?:": "", "(?=": "@=", "(?!": "@!"}


def vim_pattern(regex: str) -> str:
    """*regex* in Vim's "very magic" syntax."""
    parts, open_groups = [r"\v\C"], []
    for part in _PART.findall(regex):
        if part in _OPENS:
            open_groups.append(_OPENS[part])
            parts.append("%(")
        elif part == ")":
            parts.append(f"){open_groups.pop()}")
        else:
            parts.append(f"\\{part}" if part in "=<>@%&~" else part)
    return "".join(parts)


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def main(words: list[str]) -> int:
    """Write the files, or list those out of date."""
    stale = {
        path: text
        for path, text in files().items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    }
    for path, text in stale.items():
        if "--write" in words:
            path.write_text(text, encoding="utf-8")
        else:
            name = path.relative_to(ROOT)
            print(f"{name} is not what the language has: run python tools/make_editors.py --write")
    return 1 if stale and "--write" not in words else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
